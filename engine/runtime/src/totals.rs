//! The workers of a process taken together, at one time: what the live line and the page's history compare.

use hdrhistogram::Histogram;

use crate::snapshot::{PartitionSnapshot, Snapshot};

/// What only grows.
#[derive(Debug)]
pub(crate) struct Totals {
    uptime_ms: u64,
    read: u64,
    /// Records that got their outcome, whichever.
    pub(crate) ended: u64,
    /// From the log's timestamp to the durable effect; `None`: there is no worker.
    end_to_end_ms: Option<Histogram<u64>>,
}

impl Totals {
    pub(crate) fn of(snapshots: &[Snapshot], uptime_ms: u64) -> Self {
        let mut histograms = snapshots.iter().map(|snapshot| &snapshot.latencies.end_to_end_ms);
        let end_to_end_ms = histograms.next().cloned().map(|mut sum| {
            // All are made alike: none has a value that the first can't hold.
            histograms.for_each(|one| sum += one);
            sum
        });
        Self {
            uptime_ms,
            read: snapshots.iter().map(|snapshot| snapshot.accounts.read).sum(),
            ended: snapshots.iter().flat_map(|snapshot| snapshot.accounts.outcomes).sum(),
            end_to_end_ms,
        }
    }

    /// Records read, and records that got their outcome, a second between the two.
    pub(crate) fn per_second_since(&self, before: &Self) -> [f64; 2] {
        let seconds = self.uptime_ms.saturating_sub(before.uptime_ms).max(1) as f64 / 1e3;
        [(before.read, self.read), (before.ended, self.ended)]
            .map(|(before, now)| now.saturating_sub(before) as f64 / seconds)
    }

    /// Latencies of what was delivered between the two; `None`: nothing was.
    pub(crate) fn delivered_since(&self, before: &Self) -> Option<Histogram<u64>> {
        let mut delivered = self.end_to_end_ms.clone()?;
        if let Some(before) = &before.end_to_end_ms {
            delivered.subtract(before).ok()?;
        }
        (!delivered.is_empty()).then_some(delivered)
    }
}

/// Of all partitions whose end is known; `None`: of none.
pub(crate) fn lag(snapshots: &[Snapshot]) -> Option<u64> {
    let partitions = snapshots.iter().flat_map(|snapshot| &snapshot.partitions);
    partitions.filter_map(PartitionSnapshot::lag).reduce(|sum, lag| sum + lag)
}

/// Keys that wait for a retry or a dead letter, at sinks and before the operators.
pub(crate) fn parked_keys(snapshots: &[Snapshot]) -> usize {
    let of = |snapshot: &Snapshot| {
        snapshot.held_keys + snapshot.sinks.iter().map(|(_, sink)| sink.parked_keys).sum::<usize>()
    };
    snapshots.iter().map(of).sum()
}
