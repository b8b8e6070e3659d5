//! What every arm of the keyed workloads keeps and reports: a count per key, and whether each record was the next one
//! of its key.

use std::time::Instant;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::cpu;

/// A count per key, from the first record on.
#[derive(Debug, Default)]
pub struct Tally {
    counts: HashMap<Vec<u8>, u64, foldhash::fast::RandomState>,
    records: u64,
    out_of_order: u64,
    begun: Option<(Instant, f64)>,
}

/// What an arm reports, as the last line of its standard output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// Records that were finished.
    pub records: u64,
    /// Keys that they had.
    pub keys: u64,
    /// Records that did not follow the one before of their key.
    pub out_of_order: u64,
    /// From the first record to the last.
    pub seconds: f64,
    /// Of the whole process, user and system, meanwhile.
    pub cpu_seconds: f64,
}

impl Tally {
    /// The first record is there: time counts from now on.
    pub fn begin(&mut self) {
        self.begun.get_or_insert_with(|| (Instant::now(), cpu::of_this_process()));
    }

    /// Finishes the record that says that so many of its key came before it.
    #[inline]
    pub fn see(&mut self, key: &[u8], sequence: u64) {
        if self.records == 0 {
            self.begin();
        }
        let count = self.counts.entry_ref(key).or_default();
        self.out_of_order += u64::from(*count != sequence);
        *count = sequence + 1;
        self.records += 1;
    }

    /// Whether all records of the key up to that one are finished; if not, that counts as out of order.
    pub fn expect_before(&mut self, key: &[u8], sequence: u64) {
        let finished = self.counts.get(key).copied().unwrap_or_default();
        self.out_of_order += u64::from(finished != sequence);
    }

    /// Records finished so far.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The report, up to now; `None` before the first record.
    #[must_use]
    pub fn finish(&self) -> Option<Finished> {
        let (begun, cpu_before) = self.begun?;
        Some(Finished {
            records: self.records,
            keys: self.counts.len() as u64,
            out_of_order: self.out_of_order,
            seconds: begun.elapsed().as_secs_f64(),
            cpu_seconds: cpu::of_this_process() - cpu_before,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out_of_order(seen: &[(&str, u64)]) -> u64 {
        let mut tally = Tally::default();
        for (key, sequence) in seen {
            tally.see(key.as_bytes(), *sequence);
        }
        tally.finish().unwrap().out_of_order
    }

    #[test]
    fn gaps_repeats_and_swaps_are_out_of_order() {
        assert_eq!(out_of_order(&[("a", 0), ("b", 0), ("a", 1), ("b", 1)]), 0);
        assert_eq!(out_of_order(&[("a", 0), ("a", 2), ("a", 3)]), 1);
        assert_eq!(out_of_order(&[("a", 0), ("a", 0), ("a", 1)]), 1);
        assert_eq!(out_of_order(&[("a", 1), ("a", 0)]), 2);
    }

    #[test]
    fn who_comes_before_its_predecessor_is_done_is_out_of_order() {
        let mut tally = Tally::default();
        tally.expect_before(b"a", 0);
        tally.see(b"a", 0);
        tally.expect_before(b"a", 1);
        tally.expect_before(b"a", 2);
        assert_eq!(tally.finish().unwrap().out_of_order, 1);
    }
}
