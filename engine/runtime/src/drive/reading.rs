//! Which partitions may have something to read, in turn.

use std::collections::VecDeque;

use thalweg_connectors::kafka::source::KafkaSource;
use thalweg_core::batch::Batch;
use thalweg_core::position::{Epoch, PartitionId};
use thalweg_core::worker::ReadLimits;

/// The started partitions. After a wake-up each is read until it is empty; then it is left alone until the next.
#[derive(Debug, Default)]
pub(super) struct Reading {
    started: Vec<PartitionId>,
    /// May have more; the front is next.
    filled: VecDeque<PartitionId>,
    /// Batches to fill again.
    spare: Vec<Batch>,
    /// What they hold.
    spare_bytes: usize,
}

/// Spare batches hold at most this: as much as is read while the answers to one round of flights are awaited.
pub(crate) const SPARE_BYTES_MAX: usize = 8 << 20;

impl Reading {
    pub(super) fn start(&mut self, partition: PartitionId) {
        if !self.started.contains(&partition) {
            self.started.push(partition);
        }
        self.may_have_more(partition);
    }

    pub(super) fn stop(&mut self, partitions: &[PartitionId]) {
        self.started.retain(|id| !partitions.contains(id));
        self.filled.retain(|id| !partitions.contains(id));
    }

    /// The source woke us, without saying for which partition.
    pub(super) fn woken(&mut self) {
        for index in 0..self.started.len() {
            self.may_have_more(self.started[index]);
        }
    }

    pub(super) fn may_have_more(&mut self, partition: PartitionId) {
        if !self.filled.contains(&partition) {
            self.filled.push_back(partition);
        }
    }

    /// Reads one batch, of the first partition in turn that `allows` lets be read and that has something.
    pub(super) fn read_one(
        &mut self,
        source: &mut KafkaSource,
        allows: impl Fn(PartitionId) -> Option<ReadLimits>,
    ) -> Option<Batch> {
        loop {
            let (partition, limits) = self.next(&allows)?;
            let mut batch = self.empty_batch();
            let read = source.read(partition, &mut batch, limits.records, limits.bytes);
            if read >= limits.records || batch.size_bytes() >= limits.bytes {
                self.may_have_more(partition);
            }
            // By the count, not by what is in the batch: who finds the partition gone need not have looked at it.
            if read > 0 {
                return Some(batch);
            }
            self.take_back(batch);
        }
    }

    /// The next partition that `allows` lets be read, with what it allows; the others keep their turn.
    pub(super) fn next<L>(&mut self, allows: impl Fn(PartitionId) -> Option<L>) -> Option<(PartitionId, L)> {
        let found =
            self.filled.iter().enumerate().find_map(|(index, id)| allows(*id).map(|limits| (index, limits)));
        let (index, limits) = found?;
        self.filled.remove(index).map(|id| (id, limits))
    }

    /// Whether [`Reading::next`] would find one.
    pub(super) fn is_ready(&self, allows: impl Fn(PartitionId) -> bool) -> bool {
        self.filled.iter().any(|id| allows(*id))
    }

    pub(super) fn empty_batch(&mut self) -> Batch {
        let Some(batch) = self.spare.pop() else { return Batch::new(PartitionId(0), Epoch(0)) };
        self.spare_bytes -= batch.capacity_bytes();
        batch
    }

    /// Keeps the batch for another read, and nothing of what is in it: what was a changelog's a moment ago must not be taken
    /// for what was read.
    pub(super) fn take_back(&mut self, mut batch: Batch) {
        batch.reset(PartitionId(0), Epoch(0));
        let spare_bytes = self.spare_bytes + batch.capacity_bytes();
        if spare_bytes <= SPARE_BYTES_MAX {
            self.spare_bytes = spare_bytes;
            self.spare.push(batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> PartitionId {
        PartitionId(number)
    }

    #[test]
    fn what_spare_batches_hold_is_bounded() {
        let mut reading = Reading::default();
        let large = || {
            let mut batch = Batch::new(id(0), Epoch(0));
            batch.push(0, 0, None, Some(&vec![0; SPARE_BYTES_MAX / 2 - 1_024]), &[]);
            batch
        };
        (0..3).for_each(|_| reading.take_back(large()));
        assert_eq!(reading.spare.len(), 2);
        assert!(reading.empty_batch().capacity_bytes() > 0);
        reading.take_back(large());
        assert_eq!(reading.spare.len(), 2);
        assert!(reading.spare_bytes <= SPARE_BYTES_MAX);
    }

    #[test]
    fn a_batch_that_is_used_again_is_empty() {
        let mut reading = Reading::default();
        let mut batch = Batch::new(id(5), Epoch(2));
        batch.push(7, 0, Some(b"of a changelog"), None, &[]);
        reading.take_back(batch);
        let batch = reading.empty_batch();
        assert_eq!((batch.len(), batch.last_offset()), (0, None));
    }

    #[test]
    fn partitions_take_turns_and_those_held_back_keep_theirs() {
        let mut reading = Reading::default();
        (0..3).for_each(|number| reading.start(id(number)));
        let all = |_| Some(());
        assert_eq!(reading.next(all), Some((id(0), ())));
        reading.may_have_more(id(0));
        assert_eq!(reading.next(|id| (id.0 != 1).then_some(())), Some((id(2), ())));
        assert_eq!(reading.next(all), Some((id(1), ())));
        assert_eq!(reading.next(all), Some((id(0), ())));
        assert_eq!(reading.next(all), None);
        reading.woken();
        reading.stop(&[id(0), id(1)]);
        assert!(reading.is_ready(|id| id.0 == 2));
        assert_eq!(reading.next(all), Some((id(2), ())));
        assert!(!reading.is_ready(|_| true));
    }
}
