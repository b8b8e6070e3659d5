//! What is on the dead-letter topic against what must be.

use super::examples::Examples;
use super::reader::Expected;
use super::reason::Position;
use hashbrown::HashMap;
use std::collections::BTreeMap;

/// Dead letters of records whose value is larger than this may come without it: the broker refuses records
/// somewhat below 1 MiB, and a dead letter is larger than its record.
const VALUE_BYTES_KEPT: usize = 900_000;

/// A dead letter as it was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it lies itself.
    pub at: Position,
    /// The record it is about, if its headers say so.
    pub original: Option<Position>,
    /// Why, by its own word.
    pub reason: Option<String>,
    /// Of key, value and message id.
    pub fingerprint: u64,
    /// Whether it has a value.
    pub has_value: bool,
}

/// Checks dead letters one by one.
#[derive(Debug)]
pub struct Checker<'a> {
    expected: &'a HashMap<Position, Expected>,
    times: HashMap<Position, u64>,
    outcome: Outcome,
}

/// What is wrong with the dead letters.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Records that have a dead letter, each counted once.
    pub found: u64,
    /// Records that should have one and don't.
    pub missing: Examples,
    /// Dead letters of records that should have none, or of nobody.
    pub unexpected: Examples,
    /// Dead letters beyond the first of a record.
    pub twice: u64,
    /// Dead letters that are not what the record was.
    pub altered: Examples,
    /// Found, by their own reason, each record counted once.
    pub reasons: BTreeMap<String, u64>,
    /// Where the dead letter's reason is not the verifier's: `ours -> its`. Reasons are worded by the flow, so this
    /// is for information.
    pub other_reasons: BTreeMap<String, u64>,
}

impl<'a> Checker<'a> {
    /// Starts from what must be there.
    #[must_use]
    pub fn new(expected: &'a HashMap<Position, Expected>) -> Self {
        Self { expected, times: HashMap::new(), outcome: Outcome::default() }
    }

    /// A dead letter was read.
    pub fn met(&mut self, found: &Found) {
        let Found { at, original, reason, fingerprint, has_value } = found;
        let outcome = &mut self.outcome;
        let Some(original) = original else {
            outcome.unexpected.add(|| format!("dead letter {at}: its headers name no record of the topic"));
            return;
        };
        let times = self.times.entry(*original).or_default();
        *times += 1;
        if *times > 1 {
            outcome.twice += 1;
            return;
        }
        outcome.found += 1;
        let reason = reason.as_deref().unwrap_or("none");
        *outcome.reasons.entry(reason.to_owned()).or_default() += 1;
        let Some(expected) = self.expected.get(original) else {
            outcome.unexpected.add(|| format!("record {original}: dead letter {at}, reason {reason}"));
            return;
        };
        let emptied = !has_value && expected.value_bytes > VALUE_BYTES_KEPT;
        if expected.fingerprint != *fingerprint && !emptied {
            outcome
                .altered
                .add(|| format!("record {original}: dead letter {at} is another key, value or id"));
        }
        if expected.reason.name() != reason {
            let pair = format!("{} -> {reason}", expected.reason.name());
            *outcome.other_reasons.entry(pair).or_default() += 1;
        }
    }

    /// All were read.
    #[must_use]
    pub fn finish(mut self) -> Outcome {
        let mut missing: Vec<_> =
            self.expected.iter().filter(|(position, _)| !self.times.contains_key(*position)).collect();
        missing.sort_unstable_by_key(|(position, _)| **position);
        for (position, expected) in missing {
            self.outcome.missing.add(|| format!("record {position}: {}", expected.reason.name()));
        }
        self.outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::reason::Reason;

    fn at(offset: u64) -> Position {
        Position { partition: 1, offset }
    }

    fn found(offset: u64) -> Found {
        Found {
            at: at(1000 + offset),
            original: Some(at(offset)),
            reason: Some("tombstone".to_owned()),
            fingerprint: offset,
            has_value: true,
        }
    }

    fn check(letters: &[Found]) -> Outcome {
        let expected = |offset| {
            let value_bytes = if offset == 6 { 1_000_000 } else { 10 };
            (at(offset), Expected { reason: Reason::Tombstone, fingerprint: offset, value_bytes })
        };
        let expected = [5, 6].map(expected).into();
        let mut checker = Checker::new(&expected);
        letters.iter().for_each(|letter| checker.met(letter));
        checker.finish()
    }

    #[test]
    fn exactly_the_poison_passes() {
        let outcome = check(&[found(6), found(5)]);
        assert_eq!((outcome.found, outcome.twice, outcome.missing.count), (2, 0, 0));
        assert_eq!((outcome.unexpected.count, outcome.altered.count), (0, 0));
        assert_eq!(outcome.reasons, [("tombstone".to_owned(), 2)].into());
        assert!(outcome.other_reasons.is_empty());
    }

    #[test]
    fn every_deviation_is_named() {
        assert_eq!(check(&[found(6)]).missing.named, ["record 1/5: tombstone"]);
        let unexpected = check(&[found(5), found(6), found(7)]).unexpected.named;
        assert_eq!(unexpected, ["record 1/7: dead letter 1/1007, reason tombstone"]);
        let nobody = Found { original: None, ..found(5) };
        assert_eq!(check(&[nobody, found(5), found(6)]).unexpected.count, 1);
        let twice = check(&[found(5), found(6), found(5), found(5)]);
        assert_eq!((twice.found, twice.twice, twice.unexpected.count), (2, 2, 0));
        let altered = Found { fingerprint: 99, ..found(5) };
        assert_eq!(check(&[altered, found(6)]).altered.count, 1);
        let emptied = |offset| Found { fingerprint: 99, has_value: false, ..found(offset) };
        assert_eq!(check(&[emptied(5), emptied(6)]).altered.named.len(), 1);
        let reworded = Found { reason: None, ..found(5) };
        assert_eq!(check(&[reworded, found(6)]).other_reasons, [("tombstone -> none".to_owned(), 1)].into());
    }
}
