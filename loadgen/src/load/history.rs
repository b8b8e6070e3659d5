//! Earlier records, to be sent once more.

use super::generator::Record;
use fastrand::Rng;

/// How many are kept.
const KEPT: usize = 4096;
/// One record in this many is kept: the oldest kept one is about KEPT * ONE_IN = 16,384 records back, far within
/// the 100,000 offsets of one partition over which a duplicate counts as one.
const ONE_IN: usize = 4;
/// Larger ones are not worth their memory.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// A ring of earlier records.
#[derive(Debug, Default)]
pub struct History {
    kept: Vec<Record>,
    next: usize,
}

impl History {
    /// Keeps a copy of some of the records it is shown. Records without a key go to a partition of the client's
    /// choice, so the same record again would not be a duplicate: they are not kept.
    pub fn note(&mut self, record: &Record, rng: &mut Rng) {
        if record.key().is_none()
            || record.value().is_some_and(|value| value.len() > VALUE_BYTES_MAX)
            || rng.usize(..ONE_IN) > 0
        {
            return;
        }
        match self.kept.get_mut(self.next) {
            Some(kept) => kept.clone_from(record),
            None => self.kept.push(record.clone()),
        }
        self.next = (self.next + 1) % KEPT;
    }

    /// One of the kept records.
    pub fn draw(&self, rng: &mut Rng) -> Option<&Record> {
        (!self.kept.is_empty()).then(|| &self.kept[rng.usize(..self.kept.len())])
    }
}
