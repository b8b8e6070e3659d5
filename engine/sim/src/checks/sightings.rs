//! The naive dedupe: every event id with the offset where it was seen last.

use std::collections::BTreeMap;

use crate::broker::log::LogRecord;

/// An event id, and the replay count beside it if there is one.
type SeenId = (Vec<u8>, Option<Vec<u8>>);

#[derive(Debug)]
pub(crate) struct Sightings {
    /// By partition.
    seen: Vec<BTreeMap<SeenId, i64>>,
    window: u64,
}

impl Sightings {
    pub(crate) fn new(partitions: u32, window: u64) -> Self {
        Self { seen: vec![BTreeMap::new(); partitions as usize], window }
    }

    /// Whether the record's event id was seen within the window; to be asked once for each record, in log order.
    /// A replayed dead letter has another id than the record that failed.
    pub(crate) fn is_duplicate(&mut self, record: &LogRecord, event_id: &[u8]) -> bool {
        let replay_count = record.header("dlq.replay_count").map(<[u8]>::to_vec);
        let id = (event_id.to_vec(), replay_count);
        let before = self.seen[record.partition as usize].insert(id, record.offset);
        before.is_some_and(|before| (record.offset - before) as u64 <= self.window)
    }

    /// The partition begins anew.
    pub(crate) fn forget(&mut self, partition: u32) {
        self.seen[partition as usize].clear();
    }
}
