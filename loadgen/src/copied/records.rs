//! Records whose number says all of them, some of which come again.

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The key, or null.
    pub key: Option<String>,
    /// The value.
    pub value: String,
    /// Its id; `None`: it is never a duplicate.
    pub id: Option<String>,
}

/// Every so many records one comes again.
const DUPLICATE_EVERY: u64 = 7;

/// It repeats the record that is so many rounds of all keys before it.
const DUPLICATE_ROUNDS: u64 = 5;

/// What is written: record after record, of one key after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbered {
    /// How many keys there are; from 1.
    pub keys: u64,
}

impl Numbered {
    /// The record of that number.
    #[must_use]
    pub fn record(self, number: u64) -> Written {
        let original = self.original(number);
        Written { key: Some(self.key(original)), value: value(original), id: Some(format!("id-{original}")) }
    }

    /// Values of each key in order, of the records below `end`, without those that came again.
    pub fn expected(self, end: u64) -> impl Iterator<Item = (String, String)> {
        let originals = (0..end).filter(move |number| self.original(*number) == *number);
        originals.map(move |number| (self.key(number), value(number)))
    }

    fn key(self, number: u64) -> String {
        format!("key-{}", number % self.keys)
    }

    /// How far back a repeated record is: always one of the same key.
    fn back(self) -> u64 {
        self.keys * DUPLICATE_ROUNDS
    }

    /// What is repeated may be a repetition itself.
    fn original(self, mut number: u64) -> u64 {
        while number.is_multiple_of(DUPLICATE_EVERY) && number >= self.back() {
            number -= self.back();
        }
        number
    }
}

fn value(number: u64) -> String {
    format!("value-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, HashSet};

    #[test]
    fn what_is_expected_is_what_a_reader_keeps_who_knows_every_id() {
        for keys in [1, 7, 97] {
            let numbered = Numbered { keys };
            let (mut seen, mut kept) = (HashSet::new(), BTreeMap::<String, Vec<String>>::new());
            for Written { key, value, id } in (0..5_000).map(|number| numbered.record(number)) {
                if seen.insert(id) {
                    kept.entry(key.unwrap()).or_default().push(value);
                }
            }
            let mut expected = BTreeMap::<String, Vec<String>>::new();
            numbered.expected(5_000).for_each(|(key, value)| expected.entry(key).or_default().push(value));
            assert_eq!(kept, expected);
            let left: usize = kept.values().map(Vec::len).sum();
            assert!(
                (4_000..4_500).contains(&left),
                "about every seventh comes again: {left} of 5000 are left"
            );
        }
    }
}
