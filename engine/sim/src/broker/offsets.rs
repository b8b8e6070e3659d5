//! What the group has committed.

use std::ops::Range;

/// One partition's committed position with its metadata.
pub(crate) type Committed = Option<(i64, String)>;

/// Where a worker began to read a partition, as the broker told it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Start {
    pub(crate) position: i64,
    /// Finished stretches above the position.
    pub(crate) finished: Vec<Range<i64>>,
}

impl Start {
    pub(crate) fn has_finished(&self, offset: i64) -> bool {
        offset < self.position || self.finished.iter().any(|run| run.contains(&offset))
    }
}
