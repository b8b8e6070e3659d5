//! Where a record stands: partition, epoch, offset.

/// A partition as one worker numbers it: an index into the source's table of (topic, partition number).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionId(pub u32);

impl PartitionId {
    /// The index into tables that hold one entry per partition.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One assignment of a partition to a worker. What belongs to an ended epoch is dropped, never applied.
///
/// Epochs are handed out by the worker, increase, and are never used again within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u32);

/// A record's place in the log, and the assignment under which it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The partition.
    pub partition: PartitionId,
    /// The assignment it was read under.
    pub epoch: Epoch,
    /// The offset in the partition.
    pub offset: i64,
}
