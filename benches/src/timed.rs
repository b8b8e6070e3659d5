//! The records of the benchmark `timers`: what its flow is told, and what it says of each timer that was due.

/// Bytes of a key: as many as a UUID has.
pub const KEY_BYTES: usize = 16;

/// What a record asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A timer of the record's key.
    Set {
        /// Which, of all of the run: what the timer carries.
        number: u64,
        /// When it is due, in ms since 1970.
        deadline_ms: i64,
    },
    /// That it does not fire.
    Cancel {
        /// Which.
        number: u64,
    },
}

/// A timer that ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fired {
    /// Which.
    pub number: u64,
    /// When it was due, in ms since 1970.
    pub deadline_ms: i64,
    /// When it ran, in µs since 1970, by the system's clock.
    pub ran_us: i64,
}

/// The key of a timer: neighbours differ in all bytes.
#[must_use]
pub fn key(number: u64) -> [u8; KEY_BYTES] {
    let [high, low] = [0x9E37_79B9_7F4A_7C15u64, 0x5851_F42D_4C95_7F2D].map(|odd| number.wrapping_mul(odd));
    (u128::from(high) << 64 | u128::from(low)).to_le_bytes()
}

impl Wanted {
    /// As a record's value.
    #[must_use]
    pub fn encode(self) -> [u8; 16] {
        let (number, deadline_ms) = match self {
            Self::Set { number, deadline_ms } => (number, deadline_ms),
            Self::Cancel { number } => (number, i64::MIN),
        };
        join(number.to_le_bytes(), deadline_ms.to_le_bytes())
    }

    /// From a record's value; `None`: it is of somebody else.
    #[must_use]
    pub fn decode(value: &[u8]) -> Option<Self> {
        let (number, rest) = value.split_first_chunk()?;
        let (deadline_ms, rest) = rest.split_first_chunk()?;
        let number = u64::from_le_bytes(*number);
        rest.is_empty().then_some(match i64::from_le_bytes(*deadline_ms) {
            i64::MIN => Self::Cancel { number },
            deadline_ms => Self::Set { number, deadline_ms },
        })
    }
}

impl Fired {
    /// As a record's value.
    #[must_use]
    pub fn encode(self) -> [u8; 24] {
        join(
            join::<8, 8, 16>(self.number.to_le_bytes(), self.deadline_ms.to_le_bytes()),
            self.ran_us.to_le_bytes(),
        )
    }

    /// From a record's value; `None`: it is of somebody else.
    #[must_use]
    pub fn decode(value: &[u8]) -> Option<Self> {
        let (number, rest) = value.split_first_chunk()?;
        let (deadline_ms, rest) = rest.split_first_chunk()?;
        let (ran_us, rest) = rest.split_first_chunk()?;
        rest.is_empty().then_some(Self {
            number: u64::from_le_bytes(*number),
            deadline_ms: i64::from_le_bytes(*deadline_ms),
            ran_us: i64::from_le_bytes(*ran_us),
        })
    }
}

fn join<const A: usize, const B: usize, const BOTH: usize>(first: [u8; A], second: [u8; B]) -> [u8; BOTH] {
    let mut both = [0; BOTH];
    both.iter_mut().zip(first.into_iter().chain(second)).for_each(|(into, byte)| *into = byte);
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for wanted in
            [Wanted::Set { number: 7, deadline_ms: 1_700_000_000_123 }, Wanted::Cancel { number: 9 }]
        {
            assert_eq!(Wanted::decode(&wanted.encode()), Some(wanted));
        }
        let fired = Fired { number: 7, deadline_ms: -1, ran_us: 1 << 50 };
        assert_eq!(Fired::decode(&fired.encode()), Some(fired));
        assert_eq!((Wanted::decode(&[0; 15]), Fired::decode(&[0; 25])), (None, None));
    }
}
