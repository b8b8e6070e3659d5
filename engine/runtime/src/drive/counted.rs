//! What a driver counts beside its worker.

use thalweg_core::measured::{Latencies, Sizes};
use thalweg_core::position::PartitionId;
use thalweg_core::time::Now;
use thalweg_core::worker::Accounts;

use crate::snapshot::RestoreCounts;

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(super) joined: bool,
    /// What earlier workers of this thread did, whose source failed.
    pub(super) before: Before,
    pub(super) restarts: u64,
    pub(super) rebalances: u64,
    /// Of exactly-once workers.
    pub(super) restores: RestoreCounts,
    pub(super) commits: u64,
    pub(super) commits_failed: u64,
    pub(super) committed_ms: Option<u64>,
    pub(super) first_effect_ms: Option<u64>,
    /// Highest known end of each partition's log, by partition id.
    pub(super) ends: Vec<Option<i64>>,
}

/// What was counted and measured by workers that are no more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Before {
    pub(super) accounts: Accounts,
    pub(super) latencies: Latencies,
    pub(super) sizes: Sizes,
    /// Timers; of exactly-once workers.
    pub(super) fired: u64,
}

impl Counted {
    pub(super) fn note_end(&mut self, partition: PartitionId, high: i64) {
        if self.ends.len() <= partition.index() {
            self.ends.resize(partition.index() + 1, None);
        }
        self.ends[partition.index()] = Some(high);
    }

    /// The highest known end of a partition's log.
    pub(super) fn end(&self, partition: PartitionId) -> Option<i64> {
        self.ends.get(partition.index()).copied().flatten()
    }

    /// Something is durable that the flow, which has started at `started_ms`, did.
    pub(super) fn note_effect(&mut self, started_ms: u64, now: Now) {
        if self.first_effect_ms.is_none() {
            let after_ms = now.uptime_ms.saturating_sub(started_ms);
            self.first_effect_ms = Some(after_ms);
            tracing::info!(after_ms, "first effect is durable");
        }
    }
}
