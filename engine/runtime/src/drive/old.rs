//! Partitions that were added while the flow was not looking: never read beside the old ones, whose versions theirs
//! can't be compared with.

use thalweg_core::operator::Operator;
use thalweg_core::position::{Epoch, PartitionId};
use thalweg_core::time::Now;

use super::looping::Driver;

/// Which partitions are old, and how many the topic has now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OldPartitions {
    /// Those with a number below this are read to their end.
    pub(crate) old: u32,
    /// All must be this worker's: then no other member of the group is running.
    pub(crate) all: u32,
    /// How long to wait for that.
    pub(crate) patience_ms: u64,
}

/// Reading only what is old, to its end.
#[derive(Debug)]
pub(super) struct Old {
    wanted: OldPartitions,
    /// Assigned, and left unread.
    left_alone: Vec<PartitionId>,
    begun_ms: Option<u64>,
}

impl Old {
    pub(super) fn new(wanted: OldPartitions) -> Self {
        Self { wanted, left_alone: Vec::new(), begun_ms: None }
    }
}

/// A partition that was not there when the flow began.
pub(super) struct NewPartition;

/// Marks what is assigned and never read.
const NO_EPOCH: Epoch = Epoch(u32::MAX);

impl<O: Operator> Driver<O> {
    /// Those of the partitions that may be read.
    pub(super) fn leave_new_alone(
        &mut self,
        ids: Vec<PartitionId>,
    ) -> Result<Vec<PartitionId>, NewPartition> {
        let partitions = self.source.partitions();
        let number = |id: PartitionId| partitions.name(id).map_or(0, |(_, number)| number.unsigned_abs());
        let Some(old) = &mut self.old else {
            let known = ids.iter().all(|id| number(*id) < self.partitions);
            return if known { Ok(ids) } else { Err(NewPartition) };
        };
        let (read, left): (Vec<_>, Vec<_>) = ids.into_iter().partition(|id| number(*id) < old.wanted.old);
        old.left_alone.extend(&left);
        let starts: Vec<_> = left.into_iter().map(|id| (id, NO_EPOCH, 0)).collect();
        self.source.start(&starts);
        Ok(read)
    }

    /// While only old partitions are read, nobody else may join.
    pub(super) fn forget_old(&mut self, ids: &[PartitionId], now: Now) {
        if let Some(old) = &mut self.old {
            old.left_alone.retain(|id| !ids.contains(id));
            self.source.release(ids);
            self.fail(OTHERS_RUN.to_owned(), now);
        }
    }

    /// Stops when every old partition is finished and committed to its end.
    pub(super) fn end_of_old(&mut self, now: Now) {
        let Some(old) = &mut self.old else { return };
        let begun_ms = *old.begun_ms.get_or_insert(now.uptime_ms);
        let progress: Vec<_> = self.worker.progress().collect();
        if progress.len() + old.left_alone.len() < old.wanted.all as usize {
            if now.uptime_ms.saturating_sub(begun_ms) > old.wanted.patience_ms {
                self.fail(OTHERS_RUN.to_owned(), now);
            }
            return;
        }
        let read_until = self.source.read_until();
        let drained = progress.iter().all(|partition| {
            let end = self.counted.end(partition.partition);
            let finished = partition.open == 0 && partition.committed >= partition.finished;
            finished && end.is_some_and(|end| Self::done_until(partition, &read_until) >= end)
        });
        if drained {
            self.stop(now);
        }
    }
}

const OTHERS_RUN: &str = "the group has other members: stop every instance of the flow (one that was killed counts until \
                          its session has timed out), then try again";
