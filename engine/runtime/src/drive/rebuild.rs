//! How long partitions took from their assignment to their first new record: what a restart costs.

use std::collections::HashMap;

use thalweg_core::batch::Batch;
use thalweg_core::position::PartitionId;
use thalweg_core::time::Now;

#[derive(Debug, Default)]
pub(super) struct Rebuilds {
    running: HashMap<PartitionId, Running>,
    last_ms: Option<u64>,
}

#[derive(Debug)]
struct Running {
    begun_ms: u64,
    /// The first offset that is new.
    until: i64,
}

impl Rebuilds {
    /// Positions were asked for.
    pub(super) fn begin(&mut self, partitions: &[PartitionId], now: Now) {
        for id in partitions {
            self.running.insert(*id, Running { begun_ms: now.uptime_ms, until: 0 });
        }
    }

    /// New records begin at `until`; there are none when the log ends there.
    pub(super) fn positioned(&mut self, partition: PartitionId, until: i64, high: i64, now: Now) {
        if let Some(running) = self.running.get_mut(&partition) {
            running.until = until;
        }
        if until >= high {
            self.end(partition, now);
        }
    }

    pub(super) fn read(&mut self, batch: &Batch, now: Now) {
        let running = self.running.get(&batch.partition());
        if running.is_some_and(|running| batch.last_offset() >= Some(running.until)) {
            self.end(batch.partition(), now);
        }
    }

    fn end(&mut self, partition: PartitionId, now: Now) {
        if let Some(running) = self.running.remove(&partition) {
            self.last_ms = Some(now.uptime_ms.saturating_sub(running.begun_ms));
        }
    }

    pub(super) fn forget(&mut self, partitions: &[PartitionId]) {
        self.running.retain(|id, _| !partitions.contains(id));
    }

    /// How long the last one took.
    pub(super) fn last_ms(&self) -> Option<u64> {
        self.last_ms
    }
}
