//! Compares what an arm has written with what it must have: each key's originals once, in order, and as many counts.

use serde::Serialize;

use super::records::Numbered;

/// Faults that are told in words.
const EXAMPLES_MAX: usize = 5;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Judge<'n> {
    numbered: &'n Numbered,
    /// By key: the original that must come next.
    next: Vec<u64>,
    copies: Vec<u64>,
    counts: Vec<u64>,
    wrong: u64,
    examples: Vec<String>,
    value: Vec<u8>,
}

/// What there was to see.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Verdict {
    pub(super) copies: u64,
    pub(super) wrong: u64,
    pub(super) missing: u64,
    pub(super) examples: Vec<String>,
}

impl Verdict {
    pub(super) fn ok(&self) -> bool {
        self.wrong == 0 && self.missing == 0
    }
}

impl<'n> Judge<'n> {
    pub(super) fn new(numbered: &'n Numbered) -> Self {
        let none = || vec![0; numbered.keys_count()];
        Self {
            numbered,
            next: (0..numbered.keys).collect(),
            copies: none(),
            counts: none(),
            wrong: 0,
            examples: Vec::new(),
            value: Vec::new(),
        }
    }

    /// The next copy; answers its number if it is the right one.
    pub(super) fn see_copy(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) -> Option<u64> {
        let found = key.and_then(Numbered::key_number).zip(value.and_then(Numbered::number_of));
        if let Some((key, number)) = found
            && let Some(next) = self.next.get_mut(key as usize)
            && *next == number
        {
            self.numbered.write_value(number, &mut self.value);
            if value == Some(&self.value) {
                *next = self.numbered.next_original(number);
                self.copies[key as usize] += 1;
                return Some(number);
            }
        }
        self.complain(&format!("a copy names {found:?} (key, number), or has another text"));
        None
    }

    /// The next count.
    pub(super) fn see_count(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) {
        let count = value.and_then(|value| std::str::from_utf8(value).ok()?.parse::<u64>().ok());
        let found = key.and_then(Numbered::key_number).zip(count);
        if let Some((key, count)) = found
            && let Some(before) = self.counts.get_mut(key as usize)
            && *before + 1 == count
        {
            *before = count;
            return;
        }
        self.complain(&format!("a count says {found:?} (key, count)"));
    }

    fn complain(&mut self, what: &str) {
        self.wrong += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(what.to_owned());
        }
    }

    /// What it has seen, when of each partition so many records were to be copied.
    pub(super) fn verdict(&mut self, consumed: &[u64]) -> Verdict {
        let mut missing = 0;
        for (key, next) in self.next.clone().into_iter().enumerate() {
            let partition = self.numbered.partition_of(key as u64);
            let (copies, counts) = (self.copies[key], self.counts[key]);
            let held = consumed.get(partition.unsigned_abs() as usize).copied().unwrap_or_default();
            let end = self.numbered.end_of(partition, held);
            if copies != counts {
                self.complain(&format!("key {key} has {copies} copies, and {counts} counts"));
            }
            if next < end {
                missing += 1;
                self.complain(&format!("{next} of key {key} is missing, and what comes behind"));
            }
            if copies > 0 && self.numbered.previous_original(next).is_some_and(|last| last >= end) {
                self.complain(&format!("key {key} has copies of what was not yet to be copied"));
            }
        }
        let copies = self.copies.iter().sum();
        Verdict { copies, wrong: self.wrong, missing, examples: self.examples.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exactly_once::records::Written;

    /// What a right arm writes of the first so many records, and how much of each partition that is.
    fn right(numbered: &Numbered, records: u64) -> (Vec<Written>, Vec<u64>) {
        let mut all = Vec::new();
        for number in 0..records {
            let mut record = Written::default();
            numbered.write(number, &mut record);
            if Numbered::number_of(&record.value) == Some(number) {
                all.push(record);
            }
        }
        (all, (0..8).map(|partition| numbered.held(records, partition)).collect())
    }

    fn judged(numbered: &Numbered, copies: &[Written], consumed: &[u64]) -> Verdict {
        let mut judge = Judge::new(numbered);
        let mut counts = std::collections::HashMap::new();
        for copy in copies {
            judge.see_copy(Some(&copy.key), Some(&copy.value));
            let count = counts.entry(copy.key.clone()).or_insert(0u64);
            *count += 1;
            judge.see_count(Some(&copy.key), Some(count.to_string().as_bytes()));
        }
        judge.verdict(consumed)
    }

    #[test]
    fn all_once_in_order_is_right() {
        let numbered = Numbered::new(16, 8);
        let (copies, consumed) = right(&numbered, 1_000);
        let verdict = judged(&numbered, &copies, &consumed);
        assert!(verdict.ok() && verdict.copies == copies.len() as u64, "{verdict:?}");
    }

    #[test]
    fn everything_else_is_told() {
        let numbered = Numbered::new(16, 8);
        let (copies, consumed) = right(&numbered, 1_000);
        let broken = |change: &dyn Fn(&mut Vec<Written>)| {
            let mut changed = copies.clone();
            change(&mut changed);
            judged(&numbered, &changed, &consumed)
        };
        assert!(broken(&|all| drop(all.pop())).missing > 0);
        assert!(broken(&|all| all.push(all[0].clone())).wrong > 0);
        assert!(broken(&|all| drop(all.remove(40))).wrong > 0);
        assert!(broken(&|all| all[5].value[200] ^= 1).wrong > 0);
        let fewer: Vec<_> = consumed.iter().map(|held| held - 2).collect();
        assert!(!judged(&numbered, &copies, &fewer).ok(), "more was copied than was read");
        let mut judge = Judge::new(&numbered);
        judge.see_copy(Some(b"key-0000000"), Some(&copies[0].value));
        judge.see_count(Some(b"key-0000000"), Some(b"2"));
        assert!(judge.verdict(&[1, 0, 0, 0, 0, 0, 0, 0]).wrong > 0);
    }
}
