//! The transaction: opened by the first run, ended as soon as there is nothing more to run or it has lasted long enough.

use crate::commit_metadata::{self, TransactionTag};
use crate::exactly_once::interface::{Changes, Command, TransactionResult};
use crate::exactly_once::operator::StatefulOperator;
use crate::exactly_once::partition::Stage;
use crate::exactly_once::{ExactlyOnceWorker, FetchId};
use crate::position::{Epoch, PartitionId};
use crate::sabotage::{Conduct, ExactlyOnceBug};
use crate::worker::{Accounts, CommitEntry, FlowError, Positions};

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

/// The one transaction of a worker.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) phase: Phase,
    /// Its tag; the next one's number while none is open.
    tag: TransactionTag,
    /// What it has something of. Empty: no transaction is open.
    touched: Vec<(PartitionId, Epoch)>,
    /// Uptime of its first run.
    pub(super) since_ms: u64,
    /// When it was to be committed, by the clock of timers.
    asked_ms: i64,
    pub(super) runs: usize,
    pub(super) bytes: usize,
    /// What to count once it is committed.
    pub(super) accounts: Accounts,
    pub(super) fired: u64,
    /// Aborted ones in a row.
    failures: u32,
}

impl Transaction {
    pub(super) fn new(life: u64) -> Self {
        Self {
            phase: Phase::Renewing,
            tag: TransactionTag { life, number: 0 },
            touched: Vec::new(),
            since_ms: 0,
            asked_ms: 0,
            runs: 0,
            bytes: 0,
            accounts: Accounts::default(),
            fired: 0,
            failures: 0,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        !self.touched.is_empty()
    }

    /// It has something of that partition now.
    pub(super) fn touch(&mut self, partition: PartitionId, epoch: Epoch, uptime_ms: u64) {
        if self.touched.is_empty() {
            self.since_ms = uptime_ms;
        }
        self.touched.push((partition, epoch));
    }

    /// It has ended; answers what it had something of.
    fn close(&mut self) -> Vec<(PartitionId, Epoch)> {
        (self.runs, self.bytes, self.fired, self.accounts) = (0, 0, 0, Accounts::default());
        self.tag.number += 1;
        std::mem::take(&mut self.touched)
    }
}

impl<O: StatefulOperator, X: Conduct> ExactlyOnceWorker<O, X> {
    /// Whether the open transaction takes more runs.
    pub(super) fn takes_runs(&self) -> bool {
        let Transaction { phase, runs, bytes, .. } = &self.transaction;
        *phase == Phase::Ready
            && *runs < self.settings.transaction_runs_max
            && *bytes < self.settings.transaction_bytes_max
            && !self.ended
    }

    pub(super) fn commit_if_due(&mut self) {
        if self.ended || self.transaction.phase != Phase::Ready || !self.transaction.is_open() {
            return;
        }
        let lasted_ms = self.now.uptime_ms.saturating_sub(self.transaction.since_ms);
        let waited_for = self.partitions.iter().flatten().any(|state| state.touched && state.revoked);
        let nothing_left = self.idle && !self.leaves_timers_due();
        if nothing_left
            || lasted_ms >= self.settings.commit_interval_ms
            || !self.takes_runs()
            || waited_for
            || self.stopping.is_some()
        {
            self.caught_up = nothing_left;
            self.commit();
        }
    }

    fn commit(&mut self) {
        assert!(self.outputs.is_empty(), "every turn hands over what its runs have sent");
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
            offsets.len() == self.transaction.touched.len()
                || self.conduct.breaks(ExactlyOnceBug::TimersWithoutOffsets),
            "what is lost aborts its transaction"
        );
        self.transaction.phase = Phase::Committing;
        self.commands.push_back(Command::Commit { tag: self.tag(), changes, offsets });
    }

    /// Whether a commit that was asked for may still be done: not when a partition of it was taken away since. Membership that
    /// is newer than that loss would let its offsets pass, though they are another's by now; it must be aborted.
    #[must_use]
    pub fn may_commit(&self, offsets: &[CommitEntry]) -> bool {
        offsets.iter().all(|entry| self.is_ours(entry.partition, entry.epoch))
    }

    fn is_ours(&self, partition: PartitionId, epoch: Epoch) -> bool {
        let state = self.partitions.get(partition.index()).and_then(Option::as_ref);
        state.is_some_and(|state| state.epoch == epoch)
    }

    /// What the open transaction's commits are told by.
    fn tag(&self) -> TransactionTag {
        let numbered = !self.conduct.breaks(ExactlyOnceBug::TransactionsUnnumbered);
        TransactionTag {
            number: if numbered { self.transaction.tag.number } else { 0 },
            ..self.transaction.tag
        }
    }

    /// Hands the outputs over that runs have sent since the last time.
    pub(super) fn produce(&mut self) {
        if !self.outputs.is_empty() {
            self.transaction.bytes += self.outputs.size_bytes();
            self.commands.push_back(Command::Produce(std::mem::take(&mut self.outputs)));
        }
    }

    /// The open transaction must not be committed: a partition that it touched is somebody else's.
    pub(super) fn abort(&mut self) {
        if self.transaction.phase == Phase::Ready && self.transaction.is_open() {
            self.transaction.phase = Phase::Aborting;
            self.commands.push_back(Command::Abort);
        }
    }

    /// How the transaction ended that was to be committed or aborted.
    pub fn ended(&mut self, result: TransactionResult, now: crate::time::Now) {
        self.turn(now);
        let phase = self.transaction.phase;
        assert!(matches!(phase, Phase::Committing | Phase::Aborting), "a result answers a command");
        match result {
            TransactionResult::Committed => {
                assert_eq!(phase, Phase::Committing, "an aborted transaction is not committed");
                self.finish(true);
            }
            TransactionResult::Aborted(reason) => {
                if phase == Phase::Committing {
                    self.warn(format!("a transaction was aborted, and is done again: {reason}"));
                }
                self.finish(false);
            }
            TransactionResult::Unknown(reason) => {
                self.warn(format!("it is not known how a transaction ended, looking: {reason}"));
                if self.conduct.breaks(ExactlyOnceBug::LookWithoutRenewal) {
                    self.look();
                } else {
                    self.renew();
                }
            }
            TransactionResult::Fenced(reason) => {
                self.warn(format!("a transaction was fenced: {reason}"));
                self.transaction.close();
                self.start_again_later();
                self.renew();
            }
        }
        self.settle();
    }

    fn warn(&mut self, warning: String) {
        self.commands.push_back(Command::Warn(warning));
    }

    fn renew(&mut self) {
        self.transaction.phase = Phase::Renewing;
        self.commands.push_back(Command::RenewProducer);
    }

    /// A new producer is there; what the one before had left open has been ended by that.
    pub fn producer_ready(&mut self, now: crate::time::Now) {
        self.turn(now);
        assert_eq!(self.transaction.phase, Phase::Renewing, "a producer is made when asked for");
        self.look();
        self.settle();
    }

    /// Asks the group's commits whether the transaction is among them, where it has something of a partition that is
    /// ours.
    fn look(&mut self) {
        let current = |(partition, epoch): &&(PartitionId, Epoch)| self.is_ours(*partition, *epoch);
        let partitions: Vec<_> = self.transaction.touched.iter().filter(current).map(|(id, _)| *id).collect();
        if partitions.is_empty() {
            self.finish(false);
        } else {
            let fetch = self.assignment.next_fetch();
            self.transaction.phase = Phase::Resolving(fetch);
            self.commands.push_back(Command::FetchPositions { fetch, partitions });
        }
    }

    /// The group has taken partitions away while an outcome is being looked up. The question for it may have been given up with
    /// them, so what is left is asked anew.
    pub(super) fn look_again(&mut self) {
        if matches!(self.transaction.phase, Phase::Resolving(_)) {
            self.look();
        }
    }

    /// The commits as they stand tell whether the transaction whose outcome is unknown is among them. One partition that
    /// names it is enough; another one's may have been taken away, and written over.
    pub(super) fn resolve(&mut self, found: &[Positions]) {
        let mut committed = false;
        for Positions { partition, committed: position, .. } in found {
            let epoch = self.partition_mut(*partition).map(|state| state.epoch);
            let ours = self.transaction.touched.iter().any(|(id, at)| id == partition && Some(*at) == epoch);
            let Some((_, metadata)) = position.as_ref().filter(|_| ours) else { continue };
            match commit_metadata::decode_transaction(metadata) {
                Ok(tag) => committed |= tag == Some(self.tag()),
                Err(error) => {
                    let Some(partition) = self.names[partition.index()].clone() else { continue };
                    return self.fail(FlowError::Metadata { partition, error });
                }
            }
        }
        let unknown_is = |bug| self.conduct.breaks(bug);
        committed |= unknown_is(ExactlyOnceBug::UnknownIsCommitted);
        committed &= !unknown_is(ExactlyOnceBug::UnknownIsAborted);
        self.finish(committed);
    }

    /// The transaction has ended, and how is known.
    fn finish(&mut self, committed: bool) {
        self.transaction.phase = Phase::Ready;
        if committed {
            self.accounts += &self.transaction.accounts;
            self.fired += self.transaction.fired;
        }
        let any = self.transaction.is_open();
        self.transaction.failures = if committed || !any { 0 } else { self.transaction.failures + 1 };
        let wait_ms = self.settings.retry.wait_ms(self.transaction.failures.max(1), &mut self.rng);
        let keeps = self.conduct.breaks(ExactlyOnceBug::KeepStateAfterAbort);
        let (asked_ms, uptime_ms) = (self.transaction.asked_ms, self.now.uptime_ms);
        for (partition, epoch) in self.transaction.close() {
            let next_epoch = Epoch(self.next_epoch);
            let window = self.settings.dedupe.as_ref().map(|dedupe| dedupe.window);
            let due_ms = self.now.plus_ms(wait_ms);
            let Some(state) = self.partition_mut(partition).filter(|state| state.epoch == epoch) else {
                continue;
            };
            state.touched = false;
            let changed = state.state.touched() > 0;
            state.snapshots.ended(committed, changed, asked_ms, uptime_ms);
            if committed {
                state.committed = state.next;
                state.state.committed();
                continue;
            }
            if keeps {
                state.state.committed();
            } else {
                state.state.rolled_back();
            }
            state.next = state.committed;
            // What was read for the old epoch is read again.
            state.epoch = next_epoch;
            state.dedupe = window.map(crate::dedupe::Dedupe::new);
            state.stage = Stage::Waiting(due_ms);
            self.next_epoch += 1;
        }
    }
}
