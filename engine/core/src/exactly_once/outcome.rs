//! What became of a transaction: it stands, or it is run again. Where nobody can say, the group's commits are asked.

use crate::commit_metadata;
use crate::dedupe::Dedupe;
use crate::exactly_once::ExactlyOnceWorker;
use crate::exactly_once::interface::{Command, TransactionResult};
use crate::exactly_once::operator::StatefulOperator;
use crate::exactly_once::transaction::Phase;
use crate::position::{Epoch, PartitionId};
use crate::sabotage::{Conduct, ExactlyOnceBug};
use crate::time::Now;
use crate::worker::{FlowError, Positions};

impl<O: StatefulOperator, X: Conduct> ExactlyOnceWorker<O, X> {
    /// How the transaction ended that was to be committed or aborted.
    pub fn ended(&mut self, result: TransactionResult, now: Now) {
        self.turn(now);
        let phase = self.transaction.phase;
        assert!(matches!(phase, Phase::Committing | Phase::Aborting), "a result answers a command");
        if result != TransactionResult::Committed {
            self.take_back();
        }
        match result {
            TransactionResult::Committed => {
                assert_eq!(phase, Phase::Committing, "an aborted transaction is not committed");
                self.finish(true);
                // Before a timer that is due opens the next one.
                self.take_snapshot();
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
    pub fn producer_ready(&mut self, now: Now) {
        self.turn(now);
        assert_eq!(self.transaction.phase, Phase::Renewing, "a producer is made when asked for");
        self.look();
        self.settle();
    }

    /// Asks the group's commits whether the transaction is among them, where it has something of a partition that is
    /// ours.
    fn look(&mut self) {
        let current = |(partition, epoch): &&(PartitionId, Epoch)| self.is_ours(*partition, *epoch);
        let touched = self.transaction.sealed.touched.iter();
        let partitions: Vec<_> = touched.filter(current).map(|(id, _)| *id).collect();
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
            let mut touched = self.transaction.sealed.touched.iter();
            let ours = touched.any(|(id, at)| id == partition && Some(*at) == epoch);
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
        let ended = self.transaction.close();
        let any = !ended.touched.is_empty();
        if any {
            self.transaction.settled_ms = self.now.plus_ms(self.settings.settle_ms);
        }
        if committed {
            self.accounts += &ended.accounts;
            self.fired += ended.fired;
        }
        self.transaction.failures = if committed || !any { 0 } else { self.transaction.failures + 1 };
        let wait_ms = self.settings.retry.wait_ms(self.transaction.failures.max(1), &mut self.rng);
        for (partition, epoch) in ended.touched {
            if committed {
                self.stands(partition, epoch);
            } else {
                self.run_again(partition, epoch, self.now.plus_ms(wait_ms));
            }
        }
    }

    /// What the transaction did to the partition is committed.
    fn stands(&mut self, partition: PartitionId, epoch: Epoch) {
        let (asked_ms, uptime_ms) = (self.transaction.asked_ms, self.now.uptime_ms);
        let ahead = self.conduct.breaks(ExactlyOnceBug::AheadIsCommitted);
        let forgets = self.conduct.breaks(ExactlyOnceBug::ForgetChangesAhead);
        let Some(state) = self.partition_mut(partition).filter(|state| state.epoch == epoch) else { return };
        state.snapshots.ended(true, state.state.sealed() > 0, asked_ms, uptime_ms);
        let next = state.sealed.take().unwrap_or(state.next);
        state.committed = if ahead { state.next } else { next };
        state.state.committed();
        if forgets {
            state.state.seal();
            state.state.committed();
        }
    }

    /// What the transaction did to the partition is undone, and is run again from that uptime on.
    fn run_again(&mut self, partition: PartitionId, epoch: Epoch, due_ms: u64) {
        let keeps = self.conduct.breaks(ExactlyOnceBug::KeepStateAfterAbort);
        let (asked_ms, uptime_ms) = (self.transaction.asked_ms, self.now.uptime_ms);
        let (again, dedupe) = (self.next_epoch(), self.empty_dedupe());
        let Some(state) = self.partition_mut(partition).filter(|state| state.epoch == epoch) else { return };
        state.snapshots.ended(false, state.state.sealed() > 0, asked_ms, uptime_ms);
        state.sealed = None;
        if keeps {
            state.state.committed();
        } else {
            state.state.rolled_back();
        }
        state.read_again(state.committed, again, dedupe, due_ms);
    }

    /// Takes back what was run ahead of a transaction's end. Nothing of it has left the worker; it is run again.
    pub(super) fn take_back(&mut self) {
        if !self.conduct.breaks(ExactlyOnceBug::KeepOutputsTakenBack) {
            self.outputs.truncate(0);
        }
        for (partition, epoch) in std::mem::take(&mut self.transaction.open).touched {
            let again = self.next_epoch();
            let dedupe = self.empty_dedupe();
            let due_ms = self.now.uptime_ms;
            let Some(state) = self.partition_mut(partition).filter(|state| state.epoch == epoch) else {
                continue;
            };
            state.touched = false;
            state.state.take_back();
            state.read_again(state.sealed.unwrap_or(state.committed), again, dedupe, due_ms);
            let sealed = self.transaction.sealed.touched.iter_mut();
            sealed.filter(|entry| **entry == (partition, epoch)).for_each(|entry| entry.1 = again);
        }
    }

    /// What is read again carries another epoch than what was read before.
    pub(super) fn next_epoch(&mut self) -> Epoch {
        self.next_epoch += 1;
        Epoch(self.next_epoch - 1)
    }

    pub(super) fn empty_dedupe(&self) -> Option<Dedupe> {
        self.settings.dedupe.as_ref().map(|dedupe| Dedupe::new(dedupe.window))
    }
}
