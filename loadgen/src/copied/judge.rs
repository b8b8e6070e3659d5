//! Judges what the copy has written, record by record as a reader sees it. Knows nothing of the engine.

use hashbrown::HashMap;

/// Faults that are told in words.
const EXAMPLES_MAX: usize = 10;

/// What each key must have, in order.
type Expected = HashMap<String, Vec<String>>;

/// The judge of one topic.
#[derive(Debug)]
pub struct Judge {
    what: &'static str,
    expected: Expected,
    /// How many of each key were seen.
    seen: HashMap<String, usize>,
    right: u64,
    wrong: u64,
    examples: Vec<String>,
}

/// What a judge found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Verdict {
    /// Records that there must be.
    pub expected: u64,
    /// Records that were there as they must be: each key's in its order, once.
    pub right: u64,
    /// Records that were not: duplicates, or out of order, or nobody's.
    pub wrong: u64,
    /// Records that never came.
    pub missing: u64,
    /// Some of what was wrong or is missing, in words.
    pub examples: Vec<String>,
}

impl Verdict {
    /// Whether the topic is as it must be.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.wrong == 0 && self.missing == 0 && self.right == self.expected
    }
}

impl Judge {
    /// Of the copies of those records (keys and values, each key's in order).
    #[must_use]
    pub fn of_copies(expected: impl Iterator<Item = (String, String)>) -> Self {
        Self::new("copy", expected)
    }

    /// Of the counts of those records: 1, 2, 3 and so on for each key.
    #[must_use]
    pub fn of_counts(expected: impl Iterator<Item = (String, String)>) -> Self {
        let mut counts: HashMap<String, u64> = HashMap::new();
        let counted = expected.map(|(key, _)| {
            let count = counts.entry(key.clone()).or_default();
            *count += 1;
            (key, count.to_string())
        });
        Self::new("count", counted)
    }

    fn new(what: &'static str, of_keys: impl Iterator<Item = (String, String)>) -> Self {
        let mut expected = Expected::new();
        of_keys.for_each(|(key, value)| expected.entry(key).or_default().push(value));
        Self { what, expected, seen: HashMap::new(), right: 0, wrong: 0, examples: Vec::new() }
    }

    /// The next record of the topic, and where it stands there: partition and offset.
    pub fn see(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, place: (i32, i64)) {
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or(b"(null)")).into_owned();
        let (key, value) = (text(key), text(value));
        let seen = self.seen.entry(key.clone()).or_default();
        let expected = self.expected.get(&key).and_then(|values| values.get(*seen));
        if expected == Some(&value) {
            *seen += 1;
            self.right += 1;
            return;
        }
        self.wrong += 1;
        if self.examples.len() < EXAMPLES_MAX {
            let expected = expected.map_or("nothing more", String::as_str);
            let (partition, offset) = place;
            self.examples.push(format!(
                "{} of {key:?}: after {seen} right ones there is {value:?} instead of {expected:?}, at offset {offset} of \
                 partition {partition}",
                self.what
            ));
        }
    }

    /// What it has seen, once there is no more to see.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let mut examples = self.examples.clone();
        let (mut all, mut missing) = (0, 0);
        for (key, expected) in &self.expected {
            let seen = self.seen.get(key).copied().unwrap_or_default();
            all += expected.len() as u64;
            missing += expected.len().saturating_sub(seen) as u64;
            if seen < expected.len() && examples.len() < EXAMPLES_MAX {
                examples.push(format!("{} of {key}: {seen} of {} came", self.what, expected.len()));
            }
        }
        Verdict { expected: all, right: self.right, wrong: self.wrong, missing, examples }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDS: [(&str, &str); 4] = [("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")];

    fn judged(mut judge: Judge, seen: &[(&str, &str)]) -> Verdict {
        for ((key, value), offset) in seen.iter().zip(0..) {
            judge.see(Some(key.as_bytes()), Some(value.as_bytes()), (0, offset));
        }
        judge.verdict()
    }

    fn copies(seen: &[(&str, &str)]) -> Verdict {
        let owned = RECORDS.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        judged(Judge::of_copies(owned), seen)
    }

    #[test]
    fn each_record_once_in_the_order_of_its_key_is_right() {
        assert!(copies(&RECORDS).ok());
        assert!(copies(&[("b", "2"), ("a", "1"), ("a", "3"), ("a", "4")]).ok(), "keys have no order");
        let owned = RECORDS.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        assert!(judged(Judge::of_counts(owned), &[("a", "1"), ("a", "2"), ("b", "1"), ("a", "3")]).ok());
    }

    #[test]
    fn everything_else_is_told() {
        type Seen = &'static [(&'static str, &'static str)];
        let cases: [(Seen, u64, u64); 5] = [
            (&[("a", "1"), ("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")], 1, 0),
            (&[("a", "1"), ("b", "2"), ("a", "4"), ("a", "3"), ("a", "4")], 1, 0),
            (&[("a", "1"), ("b", "2"), ("a", "3")], 0, 1),
            (&[("a", "1"), ("b", "2"), ("a", "3"), ("a", "4"), ("c", "5")], 1, 0),
            (&[], 0, 4),
        ];
        for (seen, wrong, missing) in cases {
            let verdict = copies(seen);
            assert_eq!((verdict.wrong, verdict.missing), (wrong, missing), "{seen:?}: {verdict:?}");
            assert!(!verdict.ok() && !verdict.examples.is_empty(), "{seen:?}: {verdict:?}");
        }
    }
}
