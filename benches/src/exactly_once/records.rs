//! The records: each says its number, which says its key, its text, and whether it came before.

use std::io::Write as _;

/// Bytes of a value.
const VALUE_BYTES: usize = 300;

/// Every so many records one comes again.
const DUPLICATE_EVERY: u64 = 7;

/// It repeats the record that is so many rounds of all keys before it.
const DUPLICATE_ROUNDS: u64 = 5;

/// What a value begins with; its number follows.
const BEGINS: &[u8] = br#"{"type":"message.created","number":"#;

/// Words that texts are made of: lz4 halves them, as it does real messages.
const WORDS: [&str; 16] = [
    "the", "order", "was", "shipped", "to", "your", "address", "on", "monday", "please", "confirm",
    "delivery", "thanks", "invoice", "number", "attached",
];

/// Bytes of text that values are cut from.
const TEXT_BYTES: usize = 1 << 20;

/// All records of a run; one key follows the other.
#[derive(Debug)]
pub(super) struct Numbered {
    pub(super) keys: u64,
    pub(super) partitions: i32,
    text: Vec<u8>,
}

/// One of them; overwritten by the next.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) partition: i32,
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    /// The header `message-id`.
    pub(super) id: Vec<u8>,
}

impl Numbered {
    /// Every key is of one partition, so their number must be a multiple of the partitions'.
    pub(super) fn new(keys: u64, partitions: i32) -> Self {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut text = Vec::with_capacity(TEXT_BYTES + 32);
        while text.len() < TEXT_BYTES {
            text.extend_from_slice(WORDS[rng.usize(..WORDS.len())].as_bytes());
            text.push(b' ');
        }
        Self { keys, partitions, text }
    }

    /// The record that is written at that place.
    pub(super) fn write(&self, number: u64, into: &mut Written) {
        let original = self.original(number);
        into.partition = self.partition_of(number);
        into.key.clear();
        into.id.clear();
        // Writing to a vector can't fail.
        let _ = write!(into.key, "key-{:07}", number % self.keys);
        let _ = write!(into.id, "id-{original}");
        self.write_value(original, &mut into.value);
    }

    /// The value of that original.
    pub(super) fn write_value(&self, original: u64, into: &mut Vec<u8>) {
        into.clear();
        into.extend_from_slice(BEGINS);
        let _ = write!(into, r#"{original},"content":""#);
        let room = VALUE_BYTES - 2 - into.len();
        let start = (original as usize).wrapping_mul(389) % (TEXT_BYTES - VALUE_BYTES);
        into.extend(self.text.iter().skip(start).take(room));
        into.extend_from_slice(br#""}"#);
    }

    /// The number that a value names.
    pub(super) fn number_of(value: &[u8]) -> Option<u64> {
        number(value.strip_prefix(BEGINS)?)
    }

    /// The number of a key.
    pub(super) fn key_number(key: &[u8]) -> Option<u64> {
        number(key.strip_prefix(b"key-")?)
    }

    pub(super) fn partition_of(&self, number: u64) -> i32 {
        let partitions = u64::from(self.partitions.unsigned_abs());
        i32::try_from(number % self.keys % partitions).unwrap_or_default()
    }

    /// How many of the first so many records lie in that partition.
    pub(super) fn held(&self, records: u64, partition: i32) -> u64 {
        let partitions = u64::from(self.partitions.unsigned_abs());
        records.saturating_sub(u64::from(partition.unsigned_abs())).div_ceil(partitions)
    }

    /// The number of keys, to count by.
    pub(super) fn keys_count(&self) -> usize {
        usize::try_from(self.keys).unwrap_or_default()
    }

    /// How many of the first so many records are no repetitions.
    pub(super) fn originals_among(&self, records: u64) -> u64 {
        (0..records).filter(|number| self.original(*number) == *number).count() as u64
    }

    /// The number above those of the first so many records of a partition.
    pub(super) fn end_of(&self, partition: i32, held: u64) -> u64 {
        u64::from(partition.unsigned_abs()) + u64::from(self.partitions.unsigned_abs()) * held
    }

    /// The original of the same key before that one.
    pub(super) fn previous_original(&self, number: u64) -> Option<u64> {
        let mut before = number.checked_sub(self.keys)?;
        while self.original(before) != before {
            before = before.checked_sub(self.keys)?;
        }
        Some(before)
    }

    /// The next original of the same key.
    pub(super) fn next_original(&self, number: u64) -> u64 {
        let mut next = number + self.keys;
        while self.original(next) != next {
            next += self.keys;
        }
        next
    }

    /// What is repeated may be a repetition itself.
    fn original(&self, mut number: u64) -> u64 {
        let back = self.keys * DUPLICATE_ROUNDS;
        while number.is_multiple_of(DUPLICATE_EVERY) && number >= back {
            number -= back;
        }
        number
    }
}

/// The decimal number that the text begins with.
fn number(text: &[u8]) -> Option<u64> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    std::str::from_utf8(text.get(..end)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[test]
    fn originals_of_a_key_are_those_whose_id_is_new() {
        let numbered = Numbered::new(32, 8);
        let (mut seen, mut expected) = (HashSet::new(), HashMap::<u64, Vec<u64>>::new());
        let mut record = Written::default();
        for number in 0..3_000 {
            numbered.write(number, &mut record);
            assert_eq!(record.value.len(), VALUE_BYTES);
            assert_eq!(Numbered::key_number(&record.key), Some(number % 32));
            let told = Numbered::number_of(&record.value).unwrap();
            assert_eq!(record.id, format!("id-{told}").into_bytes());
            if seen.insert(record.id.clone()) {
                assert_eq!(told, number);
                expected.entry(number % 32).or_default().push(number);
            }
        }
        let left: usize = expected.values().map(Vec::len).sum();
        assert!((2_500..2_700).contains(&left), "about every seventh comes again: {left} are left");
        for (key, numbers) in expected {
            let told: Vec<_> =
                std::iter::successors(Some(key), |number| Some(numbered.next_original(*number)))
                    .take(numbers.len())
                    .collect();
            assert_eq!(told, numbers);
        }
    }

    #[test]
    fn partitions_are_counted() {
        let numbered = Numbered::new(32, 8);
        for records in [0, 1, 7, 8, 100] {
            for partition in 0..8 {
                let lie_there = (0..records).filter(|number| numbered.partition_of(*number) == partition);
                assert_eq!(numbered.held(records, partition), lie_there.count() as u64);
            }
        }
    }
}
