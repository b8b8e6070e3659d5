//! What every arm does with a record: it reads each byte once, into a sum that does not depend on the order of records.

use serde::{Deserialize, Serialize};

/// How many records were touched, and the sum over all their bytes and places.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Touched {
    pub(super) records: u64,
    pub(super) checksum: u64,
}

/// A record whose fields are being touched, in a fixed order.
pub(super) struct RecordSum<'t> {
    touched: &'t mut Touched,
    sum: u64,
}

/// Odd, so that multiplying by it loses nothing (2^64 divided by the golden ratio).
const MIX: u64 = 0x9E37_79B9_7F4A_7C15;

impl Touched {
    /// Begins a record at that place.
    #[inline]
    pub(super) fn record(&mut self, partition: i32, offset: i64) -> RecordSum<'_> {
        let place = (u64::from(partition.cast_unsigned()) << 48) ^ offset.cast_unsigned();
        RecordSum { touched: self, sum: place.wrapping_mul(MIX) }
    }
}

impl RecordSum<'_> {
    /// Touches every byte of a field.
    #[inline]
    pub(super) fn field(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        let mut sum = words.iter().fold(0u64, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)));
        for byte in rest {
            sum = sum.rotate_left(8) ^ u64::from(*byte);
        }
        self.sum = (self.sum ^ sum).wrapping_mul(MIX).wrapping_add(bytes.len() as u64);
    }

    /// Ends the record.
    #[inline]
    pub(super) fn done(self) {
        self.touched.records += 1;
        self.touched.checksum = self.touched.checksum.wrapping_add(self.sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(records: &[(i32, i64, &str)]) -> Touched {
        let mut touched = Touched::default();
        for (partition, offset, value) in records {
            let mut record = touched.record(*partition, *offset);
            record.field(value.as_bytes());
            record.done();
        }
        touched
    }

    #[test]
    fn order_does_not_matter_and_everything_else_does() {
        let all = of(&[(0, 0, "abcdefghijk"), (1, 0, "x")]);
        assert_eq!(all, of(&[(1, 0, "x"), (0, 0, "abcdefghijk")]));
        assert_ne!(all, of(&[(0, 0, "abcdefghijj"), (1, 0, "x")]));
        assert_ne!(all, of(&[(0, 0, "bbcdefghijk"), (1, 0, "x")]));
        assert_ne!(all, of(&[(0, 1, "abcdefghijk"), (1, 0, "x")]));
        assert_ne!(all, of(&[(0, 0, "abcdefghijk"), (0, 0, "abcdefghijk"), (1, 0, "x")]));
    }
}
