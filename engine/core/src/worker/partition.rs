//! What a worker knows of one partition during one epoch.

use std::ops::Range;
use std::sync::Arc;

use crate::dedupe::Dedupe;
use crate::originals::Originals;
use crate::position::Epoch;
use crate::tracker::OffsetTracker;

/// The partition's name outside the worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionName {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition's number in it.
    pub number: i32,
}

impl std::fmt::Display for PartitionName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.topic, self.number)
    }
}

/// State of one partition while it is assigned.
#[derive(Debug)]
pub(crate) struct PartitionState {
    pub(crate) epoch: Epoch,
    pub(crate) tracker: OffsetTracker,
    pub(crate) originals: Originals,
    pub(crate) dedupe: Option<Dedupe>,
    /// Offsets finished under earlier epochs, ascending; the front leaves as reading passes it.
    pub(crate) finished_before: std::collections::VecDeque<Range<i64>>,
    /// What the broker holds for this group, as far as it has been confirmed.
    pub(crate) committed: i64,
    /// Records closed since the last commit that was asked for.
    pub(crate) closed_since_commit: u64,
    /// Held keys that have too much behind them: while there are any, the partition is not read.
    pub(crate) congestion: u32,
    /// It is being given up: nothing new is read or sent.
    pub(crate) revoked: bool,
}

impl PartitionState {
    /// Whether `offset` was finished under an earlier epoch. Offsets must be asked for in ascending order.
    pub(crate) fn was_finished(&mut self, offset: i64) -> bool {
        while self.finished_before.front().is_some_and(|run| run.end <= offset) {
            self.finished_before.pop_front();
        }
        self.finished_before.front().is_some_and(|run| run.start <= offset)
    }

    /// All finished stretches above the commit position: read in this epoch, and not read yet.
    pub(crate) fn finished_above(&self) -> impl Iterator<Item = Range<i64>> + '_ {
        let read_end = self.tracker.read_end();
        let unread = self
            .finished_before
            .iter()
            .filter(move |run| run.end > read_end)
            .map(move |run| run.start.max(read_end)..run.end);
        self.tracker.finished_above().chain(unread)
    }
}
