//! Commits: periodically, on revocation, on stop, and as a fence after a suspension.

use crate::operator::Operator;
use crate::position::PartitionId;
use crate::sabotage::{Bug, Conduct};
use crate::time::Now;
use crate::worker::Worker;
use crate::worker::interface::{Command, CommitEntry, CommitResult, metadata};

/// A gap between two turns above this means that the process was stopped, and that the group may have given its
/// partitions to somebody else. Two of the safety ticks.
pub(super) const SUSPENSION_MS: u64 = 2_000;

/// The worker wants to be woken at least this often, so that a gap means something.
pub(super) const TICK_MS: u64 = 1_000;

/// Wait before a fence that could not be asked for is asked for again.
const FENCE_RETRY_MS: u64 = 500;

#[derive(Debug, Default, PartialEq, Eq)]
enum Fence {
    #[default]
    Down,
    /// Nothing may be sent until a commit shows that the partitions are still ours.
    Wanted,
    /// That commit is out.
    Asked,
}

/// The state of committing.
#[derive(Debug, Default)]
pub(super) struct Commits {
    out: Option<Vec<CommitEntry>>,
    next_ms: u64,
    fence: Fence,
}

impl Commits {
    pub(super) fn is_out(&self) -> bool {
        self.out.is_some()
    }

    pub(super) fn is_fencing(&self) -> bool {
        self.fence != Fence::Down
    }

    pub(super) fn fence(&mut self) {
        self.fence = Fence::Wanted;
        self.next_ms = 0;
    }

    pub(super) fn wake_at_ms(&self) -> Option<u64> {
        (self.fence == Fence::Wanted && self.out.is_none()).then_some(self.next_ms)
    }

    /// When the next periodic commit is due.
    pub(super) fn due_ms(&self) -> u64 {
        self.next_ms
    }

    /// A result for it must not be taken for a later epoch's.
    pub(super) fn epoch_ended(&mut self, partition: PartitionId) {
        if let Some(out) = &mut self.out {
            out.retain(|entry| entry.partition != partition);
        }
    }
}

impl<O: Operator, X: Conduct> Worker<O, X> {
    pub(super) fn commit_if_due(&mut self, now: Now) {
        if self.commits.is_out() || now.uptime_ms < self.commits.next_ms {
            return;
        }
        if self.commits.fence == Fence::Wanted {
            self.commit(now);
            if self.commits.is_out() {
                self.commits.fence = Fence::Asked;
            } else {
                self.commits.fence = Fence::Down;
            }
        } else if self.has_uncommitted() {
            self.commit(now);
        }
    }

    pub(super) fn has_uncommitted(&self) -> bool {
        (0..self.partitions.len()).any(|index| self.is_uncommitted(PartitionId(index as u32)))
    }

    pub(super) fn is_uncommitted(&self, partition: PartitionId) -> bool {
        let state = self.partitions.get(partition.index()).and_then(Option::as_ref);
        state.is_some_and(|state| {
            state.closed_since_commit > 0 || state.tracker.commit_position() > state.committed
        })
    }

    /// Asks for a commit of every assigned partition: what is unchanged costs nothing and keeps the group's offsets
    /// from expiring.
    pub(super) fn commit(&mut self, now: Now) {
        assert!(!self.commits.is_out(), "one commit at a time");
        self.commits.next_ms = now.plus_ms(self.settings.commit_interval_ms.max(1));
        let mut entries = Vec::new();
        for (index, state) in self.partitions.iter_mut().enumerate() {
            let Some(state) = state else { continue };
            state.closed_since_commit = 0;
            let too_far = self.conduct.has(Bug::CommitBeforeAck)
                || (state.revoked && self.conduct.has(Bug::CommitReadOnRevoke));
            let read_end = state.tracker.read_end();
            let position = if too_far { read_end } else { state.tracker.commit_position() };
            let beyond = i64::from(self.conduct.has(Bug::MetadataOffByOne));
            let finished = state.finished_above().filter(|_| !too_far).map(|run| run.start..run.end + beyond);
            let metadata = metadata(position, finished);
            entries.push(CommitEntry {
                partition: PartitionId(index as u32),
                epoch: state.epoch,
                position,
                metadata,
            });
        }
        if !entries.is_empty() {
            self.commits.out = Some(entries.clone());
            self.commands.push_back(Command::Commit(entries));
        }
    }

    /// How the commit that was asked for ended.
    pub fn committed(&mut self, result: CommitResult, now: Now) {
        self.turn(now);
        let entries = self.commits.out.take().unwrap_or_default();
        match result {
            CommitResult::Done => {
                for entry in entries {
                    let state = self.partitions.get_mut(entry.partition.index()).and_then(Option::as_mut);
                    if let Some(state) = state.filter(|state| state.epoch == entry.epoch) {
                        state.committed = entry.position;
                    }
                }
                if self.commits.fence == Fence::Asked {
                    self.commits.fence = Fence::Down;
                }
            }
            CommitResult::Fenced(reason) => {
                self.commands.push_back(Command::Warn(format!("the broker refused a commit: {reason}")));
                if self.commits.fence == Fence::Asked {
                    self.commits.fence = Fence::Down;
                    self.start_again_later(entries.iter().map(|entry| entry.partition), now);
                }
            }
            CommitResult::Failed(reason) => {
                self.commands.push_back(Command::Warn(format!("a commit failed, trying again: {reason}")));
                self.mark_uncommitted(&entries);
                if self.commits.fence == Fence::Asked {
                    self.commits.fence = Fence::Wanted;
                    self.commits.next_ms = now.plus_ms(FENCE_RETRY_MS);
                }
            }
        }
        self.committed_for_revocation();
        self.settle(now);
    }

    fn mark_uncommitted(&mut self, entries: &[CommitEntry]) {
        for entry in entries {
            let state = self.partitions.get_mut(entry.partition.index()).and_then(Option::as_mut);
            if let Some(state) = state.filter(|state| state.epoch == entry.epoch) {
                state.closed_since_commit += 1;
            }
        }
    }
}
