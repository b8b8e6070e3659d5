//! What a worker shows of itself, at least once a second: all that metrics, health and summary are made of.

use std::sync::Arc;

use parking_lot::Mutex;
use thalweg_core::SinkStatus;
use thalweg_core::measured::{Latencies, Sizes};
use thalweg_core::worker::Accounts;

/// One worker, as it was when it last looked up from its work.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    /// Uptime at which it was taken; 0: none was taken yet.
    pub(crate) taken_ms: u64,
    /// The group has given it partitions (or none, and said so).
    pub(crate) joined: bool,
    pub(crate) stopping: bool,
    pub(crate) accounts: Accounts,
    /// Since the process began: what happened between two snapshots is their difference.
    pub(crate) latencies: Latencies,
    pub(crate) sizes: Sizes,
    pub(crate) sinks: Vec<(&'static str, SinkStatus)>,
    pub(crate) partitions: Vec<PartitionSnapshot>,
    pub(crate) reserved_bytes: u64,
    pub(crate) held_keys: usize,
    /// How often the worker began anew because its source could not go on.
    pub(crate) restarts: u64,
    pub(crate) rebalances: u64,
    pub(crate) commits: u64,
    pub(crate) commits_failed: u64,
    /// Uptime of the last commit that the broker confirmed.
    pub(crate) committed_ms: Option<u64>,
    pub(crate) rebuild_ms: Option<u64>,
    /// From the start of the process to the first effect that was durable.
    pub(crate) first_effect_ms: Option<u64>,
    /// Timers that fired; `None`: the flow can't have any.
    pub(crate) timers_fired: Option<u64>,
    /// What became of state that was restored; `None`: the flow has none.
    pub(crate) restores: Option<RestoreCounts>,
}

/// How state was restored, and what local snapshots came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RestoreCounts {
    /// Partitions whose state was restored.
    pub(crate) all: u64,
    /// Of these, how many from a snapshot and the changelog's tail.
    pub(crate) from_snapshot: u64,
    /// Records of changelogs that were read for it.
    pub(crate) records: u64,
    /// Snapshots that were found, and not used.
    pub(crate) refused: u64,
    /// Snapshots that were written.
    pub(crate) written: u64,
    /// Times that a snapshot could not be written or read.
    pub(crate) failed: u64,
}

/// One assigned partition.
#[derive(Debug, Clone)]
pub(crate) struct PartitionSnapshot {
    pub(crate) topic: Arc<str>,
    pub(crate) number: i32,
    pub(crate) committed: i64,
    pub(crate) finished: i64,
    /// Everything below is finished, or is no record.
    pub(crate) done_until: i64,
    pub(crate) open: usize,
    /// One above the newest record, as far as is known.
    pub(crate) high: Option<i64>,
    /// Of an exactly-once flow.
    pub(crate) state: Option<StateSnapshot>,
}

/// The state of one assigned partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StateSnapshot {
    pub(crate) rows: u64,
    pub(crate) timers: u64,
    pub(crate) bytes: u64,
    /// Its snapshot or its changelog is being read.
    pub(crate) restoring: bool,
    /// It is the snapshot that is being read; how much of the changelog is left shows afterwards.
    pub(crate) loading: bool,
    /// Records of the changelog still to be read; `None`: nothing is, or it is not known yet.
    pub(crate) restore_left: Option<u64>,
    /// How old the local snapshot is; `None`: there is none that this worker knows of.
    pub(crate) kept_age_ms: Option<u64>,
    /// How large it is.
    pub(crate) kept_bytes: Option<u64>,
}

impl PartitionSnapshot {
    /// Offsets between what is finished and the end of the log.
    pub(crate) fn lag(&self) -> Option<u64> {
        self.high.map(|high| high.saturating_sub(self.done_until).max(0).unsigned_abs())
    }
}

/// Where a worker's latest snapshot lies.
pub(crate) type Board = Arc<Mutex<Snapshot>>;

/// What state a sink's breaker is in, in a word.
pub(crate) fn breaker_state(sink: &SinkStatus) -> &'static str {
    match (sink.breaker_closed, sink.breaker_probing) {
        (true, _) => "closed",
        (false, false) => "open",
        (false, true) => "probing",
    }
}
