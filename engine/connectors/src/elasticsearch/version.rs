//! Versions: a document's version is the place in the log of the record that wrote it (design D9).

/// Offsets below this fit beside a generation; a partition that took a million records a second would reach it after
/// nine years.
const OFFSETS: u64 = 1 << 48;

/// How often the log under an index was replaced (topic recreated, partitions added). Offsets of different
/// generations can't be compared; a later generation's win.
///
/// At most [`Generation::MAX`]: Elasticsearch's versions are signed 64-bit numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Generation(u16);

impl Generation {
    /// The generation of a new index.
    pub const FIRST: Self = Self(1);
    /// The last one.
    pub const MAX: u16 = (1 << 15) - 1;

    /// The one after this, if there is one.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        Self::try_from(self.0 + 1).ok()
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }

    /// The version of what the record at `offset` writes; `None` when the offset is no offset of ours.
    pub(super) fn version(self, offset: i64) -> Option<u64> {
        let offset = u64::try_from(offset).ok().filter(|&offset| offset < OFFSETS)?;
        Some(u64::from(self.0) * OFFSETS + offset)
    }
}

impl TryFrom<u16> for Generation {
    type Error = String;

    fn try_from(number: u16) -> Result<Self, String> {
        match number {
            0..=Self::MAX => Ok(Self(number)),
            _ => Err(format!("generation {number} is above {}", Self::MAX)),
        }
    }
}

impl From<Generation> for u16 {
    fn from(generation: Generation) -> Self {
        generation.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_grow_with_offset_and_generation_and_stay_signed() {
        let first = Generation::FIRST;
        assert_eq!(first.version(0), Some(1 << 48));
        assert_eq!(first.version(7), Some((1 << 48) + 7));
        assert!(first.next().unwrap().version(0) > first.version((1 << 48) - 1));
        assert_eq!(first.version(1 << 48), None);
        assert_eq!(first.version(-1), None);
        let last = Generation::try_from(Generation::MAX).unwrap();
        assert!(i64::try_from(last.version((1 << 48) - 1).unwrap()).is_ok());
        assert_eq!(last.next(), None);
        assert!(Generation::try_from(1 << 15).is_err());
    }
}
