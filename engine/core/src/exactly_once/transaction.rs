//! The transaction: opened by the first run, ended as soon as there is nothing more to run or it has lasted long enough.
//! What becomes of it is in [`super::outcome`].

use crate::commit_metadata::{self, TransactionTag};
use crate::exactly_once::interface::{Changes, Command};
use crate::exactly_once::operator::StatefulOperator;
use crate::exactly_once::{ExactlyOnceWorker, FetchId};
use crate::position::{Epoch, PartitionId};
use crate::sabotage::{Conduct, ExactlyOnceBug};
use crate::worker::{Accounts, CommitEntry};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// A producer is being made. Where a transaction's outcome is unknown, it is looked up afterwards.
    Renewing,
    /// Runs are allowed.
    Ready,
    /// Asked to commit.
    Committing,
    /// Asked to abort.
    Aborting,
    /// Asked which transaction was committed last.
    Resolving(FetchId),
}

/// What was run in one transaction.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// What it has something of. Empty: nothing was run in it.
    pub(super) touched: Vec<(PartitionId, Epoch)>,
    /// Uptime of its first run.
    pub(super) since_ms: u64,
    pub(super) runs: usize,
    /// Of state, and of outputs that were handed over.
    pub(super) bytes: usize,
    /// What to count once it is committed.
    pub(super) accounts: Accounts,
    pub(super) fired: u64,
}

impl Contents {
    /// It has something of that partition now.
    pub(super) fn touch(&mut self, partition: PartitionId, epoch: Epoch, uptime_ms: u64) {
        if self.touched.is_empty() {
            self.since_ms = uptime_ms;
        }
        self.touched.push((partition, epoch));
    }
}

/// The transactions of a worker: the open one, and before it one that is ending.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) phase: Phase,
    /// That of the one that is ending, or else of the open one.
    tag: TransactionTag,
    pub(super) open: Contents,
    /// What was to be committed or aborted, until it is known what became of it.
    pub(super) sealed: Contents,
    /// When that was to be committed, by the clock of timers.
    pub(super) asked_ms: i64,
    /// Runs go on meanwhile.
    goes_ahead: bool,
    /// Uptime from which outputs are handed over.
    pub(super) settled_ms: u64,
    /// Aborted ones in a row.
    pub(super) failures: u32,
}

impl Transaction {
    pub(super) fn new(life: u64) -> Self {
        Self {
            phase: Phase::Renewing,
            tag: TransactionTag { life, number: 0 },
            open: Contents::default(),
            sealed: Contents::default(),
            asked_ms: 0,
            goes_ahead: false,
            settled_ms: 0,
            failures: 0,
        }
    }

    /// Of both: the limits are for what is on its way.
    pub(super) fn runs(&self) -> usize {
        self.open.runs + self.sealed.runs
    }

    fn bytes(&self) -> usize {
        self.open.bytes + self.sealed.bytes
    }

    /// Something was run that is not in a transaction that is ending.
    pub(super) fn is_open(&self) -> bool {
        !self.open.touched.is_empty()
    }

    /// Everything that was run is committed, or taken back.
    pub(super) fn has_nothing(&self) -> bool {
        !self.is_open() && self.sealed.touched.is_empty()
    }

    /// That which was ending has ended; answers what it was.
    pub(super) fn close(&mut self) -> Contents {
        self.tag.number += 1;
        std::mem::take(&mut self.sealed)
    }
}

impl<O: StatefulOperator, X: Conduct> ExactlyOnceWorker<O, X> {
    /// Whether the open transaction takes more runs.
    pub(super) fn takes_runs(&self) -> bool {
        let may = match self.transaction.phase {
            Phase::Ready => true,
            Phase::Committing => self.transaction.goes_ahead,
            Phase::Renewing | Phase::Aborting | Phase::Resolving(_) => false,
        };
        may && self.transaction.runs() < self.settings.transaction_runs_max
            && self.transaction.bytes() + self.outputs.size_bytes() < self.settings.transaction_bytes_max
            && !self.ended
    }

    pub(super) fn commit_if_due(&mut self) {
        if self.ended || self.transaction.phase != Phase::Ready || !self.transaction.is_open() {
            return;
        }
        let lasted_ms = self.now.uptime_ms.saturating_sub(self.transaction.open.since_ms);
        let waited_for = self.partitions.iter().flatten().any(|state| state.touched && state.revoked);
        let nothing_left = self.idle && !self.leaves_timers_due();
        let due = nothing_left || lasted_ms >= self.settings.commit_interval_ms || !self.takes_runs();
        if (due && self.is_settled()) || waited_for || self.stopping.is_some() {
            self.caught_up = nothing_left;
            self.commit();
        }
    }

    fn commit(&mut self) {
        self.hand_over();
        let metadata = commit_metadata::encode_transaction(self.tag());
        let (mut changes, mut offsets) = (Changes::default(), Vec::new());
        self.transaction.asked_ms = self.timers_now_ms();
        for (index, state) in self.partitions.iter_mut().enumerate() {
            let Some(state) = state.as_mut().filter(|state| state.touched) else { continue };
            state.snapshots.committing();
            let partition = PartitionId(index as u32);
            let forgets = self.conduct.breaks(ExactlyOnceBug::NoTombstones);
            let entries = state.state.changes().filter(|entry| entry.content.is_some() || !forgets);
            entries.for_each(|entry| changes.push(partition, &entry));
            if state.next == state.committed && self.conduct.breaks(ExactlyOnceBug::TimersWithoutOffsets) {
                continue;
            }
            let (epoch, position, metadata) = (state.epoch, state.next, metadata.clone());
            offsets.push(CommitEntry { partition, epoch, position, metadata });
        }
        assert!(
            offsets.len() == self.transaction.open.touched.len()
                || self.conduct.breaks(ExactlyOnceBug::TimersWithoutOffsets),
            "what is lost aborts its transaction"
        );
        self.transaction.phase = Phase::Committing;
        self.transaction.goes_ahead = !self.snapshot_waits();
        self.seal();
        self.commands.push_back(Command::Commit { tag: self.tag(), changes, offsets });
    }

    /// What was run is to end now; what is run from now on belongs to the next transaction.
    fn seal(&mut self) {
        assert!(self.transaction.sealed.touched.is_empty(), "one transaction ends at a time");
        for state in self.partitions.iter_mut().flatten().filter(|state| state.touched) {
            state.touched = false;
            state.sealed = Some(state.next);
            state.state.seal();
        }
        self.transaction.sealed = std::mem::take(&mut self.transaction.open);
    }

    /// Whether a commit that was asked for may still be done: not when a partition of it was taken away since. Membership that
    /// is newer than that loss would let its offsets pass, though they are another's by now; it must be aborted.
    #[must_use]
    pub fn may_commit(&self, offsets: &[CommitEntry]) -> bool {
        let sealed = &self.transaction.sealed.touched;
        let ours = |partition| sealed.iter().any(|(id, epoch)| *id == partition && self.is_ours(*id, *epoch));
        offsets.iter().all(|entry| ours(entry.partition))
    }

    pub(super) fn is_ours(&self, partition: PartitionId, epoch: Epoch) -> bool {
        let state = self.partitions.get(partition.index()).and_then(Option::as_ref);
        state.is_some_and(|state| state.epoch == epoch)
    }

    /// What the commits of a transaction are told by.
    pub(super) fn tag(&self) -> TransactionTag {
        let numbered = !self.conduct.breaks(ExactlyOnceBug::TransactionsUnnumbered);
        TransactionTag {
            number: if numbered { self.transaction.tag.number } else { 0 },
            ..self.transaction.tag
        }
    }

    /// Hands the outputs over that runs have sent, unless the transaction before is ending or has only just ended.
    pub(super) fn produce(&mut self) {
        if self.transaction.phase == Phase::Ready && self.is_settled() {
            self.hand_over();
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        self.now.uptime_ms >= self.transaction.settled_ms
    }

    fn hand_over(&mut self) {
        if !self.outputs.is_empty() {
            self.transaction.open.bytes += self.outputs.size_bytes();
            self.commands.push_back(Command::Produce(std::mem::take(&mut self.outputs)));
        }
    }

    /// The open transaction must not be committed: a partition that it touched is somebody else's.
    pub(super) fn give_up_open(&mut self) {
        match self.transaction.phase {
            Phase::Ready if self.transaction.is_open() => {
                self.outputs.truncate(0);
                self.seal();
                self.transaction.phase = Phase::Aborting;
                self.commands.push_back(Command::Abort);
            }
            Phase::Committing => self.take_back(),
            _ => {}
        }
    }
}
