//! What the group has committed.

use std::ops::Range;

/// One partition's committed position with its metadata.
pub(crate) type Committed = Option<(i64, String)>;

/// What somebody else, another version, or a tool with less room leaves of a commit's metadata.
pub(crate) fn spoiled(metadata: &str, rng: &mut fastrand::Rng) -> String {
    match rng.u8(0..3) {
        0 => "{\"writer\":\"somebody else\"}".to_owned(),
        1 => metadata.replacen('t', "v", 1),
        _ => metadata.chars().take(rng.usize(0..=metadata.len())).collect(),
    }
}

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
