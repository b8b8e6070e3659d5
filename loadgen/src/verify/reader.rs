//! The correct sequential reader of the topic.

use super::decode::decode;
use super::dedupe::Dedupe;
use super::documents::{Applied, Documents};
use super::reason::{Position, Reason};
use hashbrown::HashMap;

/// A record as the reader needs it.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The key, or null.
    pub key: Option<&'a [u8]>,
    /// The value, or null.
    pub value: Option<&'a [u8]>,
    /// The header `message-id`, if there is one.
    pub message_id: Option<&'a [u8]>,
    /// The header `dlq.replay_count`, if there is one: a replayed dead letter, which is another event to dedupe than
    /// the record that failed.
    pub replay_count: Option<&'a [u8]>,
    /// Stands for key, value and message id.
    pub fingerprint: u64,
}

/// A record that must be a dead letter.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// Why.
    pub reason: Reason,
    /// What it is.
    pub fingerprint: u64,
    /// How large its value is: the largest ones may be dead letters without it.
    pub value_bytes: usize,
}

/// What the topic means so far.
#[derive(Debug)]
pub struct Reader {
    window: u64,
    /// One for each partition and replay count: ids of different counts never meet.
    dedupe: HashMap<(u32, Option<Vec<u8>>), Dedupe>,
    /// What the index must hold.
    pub documents: Documents,
    /// What must be on the dead-letter topic.
    pub dead_letters: HashMap<Position, Expected>,
    /// Records read.
    pub records: u64,
    /// Records skipped as duplicates.
    pub duplicates: u64,
    /// Updates without effect, since their document was deleted.
    pub superseded: u64,
    /// Records that could not be deduplicated, having no message id.
    pub without_id: u64,
}

impl Reader {
    /// A reader of a topic from its start, with this dedupe window in offsets.
    #[must_use]
    pub fn new(window: u64) -> Self {
        Self {
            window,
            dedupe: HashMap::new(),
            documents: Documents::default(),
            dead_letters: HashMap::new(),
            records: 0,
            duplicates: 0,
            superseded: 0,
            without_id: 0,
        }
    }

    /// Reads the next record of a partition; partitions may take turns.
    pub fn read(&mut self, position: Position, record: &Record<'_>) {
        if self.is_duplicate(position, record) {
            return;
        }
        let applied =
            decode(record.key, record.value).and_then(|event| self.documents.apply(event, position));
        match applied {
            Ok(Applied::Changed) => {}
            Ok(Applied::Superseded) => self.superseded += 1,
            Err(reason) => self.expect_letter(position, record, reason),
        }
    }

    /// Reads the next record, which the index refused at the time although it is in order.
    pub fn read_refused(&mut self, position: Position, record: &Record<'_>) {
        if !self.is_duplicate(position, record) {
            self.expect_letter(position, record, Reason::DocumentRefused);
        }
    }

    fn is_duplicate(&mut self, position: Position, record: &Record<'_>) -> bool {
        self.records += 1;
        let Some(id) = record.message_id else {
            self.without_id += 1;
            return false;
        };
        let of = (position.partition, record.replay_count.map(<[u8]>::to_vec));
        let dedupe = self.dedupe.entry(of).or_insert_with(|| Dedupe::new(self.window));
        let duplicate = dedupe.sighted(position.offset, id);
        self.duplicates += u64::from(duplicate);
        duplicate
    }

    fn expect_letter(&mut self, position: Position, record: &Record<'_>, reason: Reason) {
        let (fingerprint, value_bytes) = (record.fingerprint, record.value.map_or(0, <[u8]>::len));
        self.dead_letters.insert(position, Expected { reason, fingerprint, value_bytes });
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
