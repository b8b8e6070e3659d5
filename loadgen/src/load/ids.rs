//! Ids that look like the documented ones (`123e4567-e89b-42d3-a456-426614174000`), each a function of the seed
//! and a number: nothing has to be remembered to name a document again.

/// How many bytes an id has.
pub const ID_BYTES: usize = 36;

/// An id as it stands in a payload or a header.
pub type Id = [u8; ID_BYTES];

/// What an id names; ids of different kinds never meet.
#[derive(Clone, Copy, Debug)]
pub enum Named {
    /// A message, the `id` of a payload.
    Document = 1,
    /// A conversation, also the record's key.
    Conversation = 2,
    /// A sender.
    Sender = 3,
    /// An event, the `message-id` header.
    Event = 4,
    /// A trace, the `correlation-id` header.
    Correlation = 5,
    /// A message that was never created.
    Nobody = 6,
}

/// Makes ids of one run.
#[derive(Clone, Copy, Debug)]
pub struct Ids {
    seed: u64,
}

impl Ids {
    /// Ids of the run with this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The id of the `number`th thing of its kind.
    #[must_use]
    pub fn id(self, named: Named, number: u64) -> Id {
        let high = mix(self.seed ^ mix(number ^ (named as u64) << 56));
        let low = mix(high ^ number);
        // Version 4, variant 1: what a library that checks would accept.
        let high = high & !0xf000 | 0x4000;
        let low = low & !(0b11 << 62) | 0b10 << 62;
        text(u128::from(high) << 64 | u128::from(low))
    }
}

/// The finalizer of splitmix64: every input bit moves every output bit.
fn mix(number: u64) -> u64 {
    let n = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ n >> 31
}

fn text(bits: u128) -> Id {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    // Where the two digits of each byte stand, between the dashes.
    const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    let mut id = [b'-'; ID_BYTES];
    for (byte, place) in bits.to_be_bytes().into_iter().zip(PLACES) {
        id[place] = DIGITS[usize::from(byte >> 4)];
        id[place + 1] = DIGITS[usize::from(byte & 15)];
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_have_the_documented_shape_and_do_not_meet() {
        let ids = Ids::new(7);
        let id = ids.id(Named::Document, 0);
        let id = std::str::from_utf8(&id).unwrap();
        assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_eq!(id.as_bytes()[14], b'4');

        let all: HashSet<Id> = [Named::Document, Named::Conversation, Named::Event]
            .into_iter()
            .flat_map(|named| (0..10_000).map(move |n| ids.id(named, n)))
            .chain((0..10_000).map(|n| Ids::new(8).id(Named::Document, n)))
            .collect();
        assert_eq!(all.len(), 40_000);
        assert_eq!(ids.id(Named::Event, 5), Ids::new(7).id(Named::Event, 5));
    }
}
