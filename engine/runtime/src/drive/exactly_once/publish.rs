//! What the worker shows of itself.

use thalweg_core::SinkStatus;
use thalweg_core::exactly_once::StatefulOperator;
use thalweg_core::time::Now;

use super::looping::Driver;
use crate::snapshot::{PartitionSnapshot, Snapshot, StateSnapshot};

impl<O: StatefulOperator> Driver<O> {
    /// The worker's life is over: what it did counts on.
    pub(super) fn count_life(&mut self) {
        let before = &mut self.counted.before;
        before.accounts += self.worker.accounts();
        before.latencies += &self.transaction.latencies;
        before.sizes += &self.transaction.sizes;
        before.fired += self.worker.fired();
    }

    pub(super) fn publish(&self, now: Now) {
        let mut all = self.counted.before.clone();
        all.accounts += self.worker.accounts();
        all.latencies += &self.transaction.latencies;
        all.sizes += &self.transaction.sizes;
        let counted = &self.counted;
        *self.board.lock() = Snapshot {
            taken_ms: now.uptime_ms,
            joined: counted.joined,
            stopping: self.stopping,
            accounts: all.accounts,
            latencies: all.latencies,
            sizes: all.sizes,
            sinks: self.outputs().collect(),
            partitions: self.partitions(now).collect(),
            reserved_bytes: 0,
            held_keys: 0,
            restarts: counted.restarts,
            rebalances: counted.rebalances,
            commits: counted.commits,
            commits_failed: counted.commits_failed,
            committed_ms: counted.committed_ms,
            rebuild_ms: self.rebuilds.last_ms(),
            first_effect_ms: counted.first_effect_ms,
            timers_fired: Some(all.fired + self.worker.fired()),
            restores: Some(counted.restores),
        };
    }

    /// Topics have no breaker: a transaction that fails is done again.
    fn outputs(&self) -> impl Iterator<Item = (&'static str, SinkStatus)> {
        self.outputs.iter().map(|(name, records)| {
            (*name, SinkStatus { breaker_closed: true, requests: *records, ..SinkStatus::default() })
        })
    }

    fn partitions(&self, now: Now) -> impl Iterator<Item = PartitionSnapshot> {
        let ends = self.source.read_until();
        self.worker.progress().filter_map(move |progress| {
            let (topic, number) = self.source.partitions().name(progress.partition)?;
            let high = self.counted.end(progress.partition);
            // Behind the last record there may be markers of transactions: they are read, and no lag.
            let read_until = ends.iter().find(|(partition, _)| *partition == progress.partition);
            let read_until =
                read_until.map_or(progress.committed, |(_, until)| progress.committed.max(*until));
            // An open transaction may be aborted.
            let done_until =
                if progress.committed == progress.next { read_until } else { progress.committed };
            let restore = self.changelogs.progress().find(|restore| restore.partition == progress.partition);
            Some(PartitionSnapshot {
                topic: topic.into(),
                number,
                committed: progress.committed,
                finished: progress.committed,
                done_until,
                open: 0,
                high: high.map(|high| high.max(read_until)),
                state: Some(StateSnapshot {
                    rows: progress.rows as u64,
                    timers: progress.timers as u64,
                    bytes: progress.state_bytes as u64,
                    restoring: progress.restoring,
                    loading: progress.loading,
                    restore_left: restore.and_then(|restore| restore.left),
                    kept_age_ms: progress.snapshot.map(|kept| now.uptime_ms.saturating_sub(kept.complete_ms)),
                    kept_bytes: progress.snapshot.map(|kept| kept.bytes),
                }),
            })
        })
    }
}
