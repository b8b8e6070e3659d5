//! Partitions come and go: positions, restoring, revocation, loss.

use std::collections::VecDeque;

use crate::batch::Batch;
use crate::commit_metadata;
use crate::exactly_once::ExactlyOnceWorker;
use crate::exactly_once::interface::Command;
use crate::exactly_once::operator::StatefulOperator;
use crate::exactly_once::partition::{PartitionState, Stage};
use crate::exactly_once::snapshots::Snapshots;
use crate::exactly_once::transaction::Phase;
use crate::position::{Epoch, PartitionId};
use crate::record::Record;
use crate::sabotage::{Conduct, ExactlyOnceBug};
use crate::state::changelog::Entry;
use crate::state::snapshot::SnapshotRefusal;
use crate::state::{Content, State, StateError};
use crate::time::Now;
use crate::worker::{FetchId, FlowError, PartitionName, Positions, ReadFrom};

/// A fenced member hears of it with its next heartbeat (3 s by default) and loses its partitions by an event. Where
/// none has come after this time it is still a member, and nobody else will read them.
const FENCED_RESTART_MS: u64 = 10_000;

/// Who asked for what, and what the group has decided.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    /// Ours, and to be asked for where they stand, from that uptime on.
    unasked: Vec<(PartitionId, u64)>,
    /// Asked for; only the answer to that question counts.
    asked: Vec<(PartitionId, FetchId)>,
    next_fetch: u64,
    /// Being given up, in the order of the events, until an uptime at the latest.
    revocations: VecDeque<(Vec<PartitionId>, u64)>,
}

impl Assignment {
    pub(super) fn next_fetch(&mut self) -> FetchId {
        self.next_fetch += 1;
        FetchId(self.next_fetch)
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.revocations.is_empty()
    }

    /// When positions are to be asked for.
    pub(super) fn ask_at_ms(&self) -> Option<u64> {
        self.unasked.iter().map(|(_, due_ms)| *due_ms).min()
    }

    /// When what is revoked is released at the latest.
    pub(super) fn release_at_ms(&self) -> Option<u64> {
        self.revocations.front().map(|(_, deadline_ms)| *deadline_ms)
    }

    /// The group has said what becomes of these.
    fn decided(&mut self, partitions: &[PartitionId]) {
        self.unasked.retain(|(id, _)| !partitions.contains(id));
        self.asked.retain(|(id, _)| !partitions.contains(id));
    }
}

impl<O: StatefulOperator, X: Conduct> ExactlyOnceWorker<O, X> {
    /// The group gave these partitions to this worker.
    pub fn assigned(&mut self, partitions: Vec<(PartitionId, PartitionName)>, now: Now) {
        self.turn(now);
        for (id, name) in partitions {
            let size = self.names.len().max(id.index() + 1);
            self.names.resize(size, None);
            self.partitions.resize_with(size, || None);
            self.names[id.index()] = Some(name);
            self.assignment.decided(&[id]);
            self.assignment.unasked.push((id, now.uptime_ms));
        }
        self.settle();
    }

    /// Asks where those stand that are to be begun. Only while no transaction is ending and with a producer: the answer waits
    /// until every transaction with offsets of theirs has ended, and what a life before had left open ends when our producer
    /// is made.
    pub(super) fn ask_positions(&mut self) {
        if self.transaction.phase != Phase::Ready {
            return;
        }
        let due = |(_, due_ms): &mut (PartitionId, u64)| *due_ms <= self.now.uptime_ms;
        let partitions: Vec<_> = self.assignment.unasked.extract_if(.., due).map(|(id, _)| id).collect();
        if partitions.is_empty() {
            return;
        }
        let fetch = self.assignment.next_fetch();
        self.assignment.asked.extend(partitions.iter().map(|id| (*id, fetch)));
        self.commands.push_back(Command::FetchPositions { fetch, partitions });
    }

    /// What the broker says of partitions asked for with [`Command::FetchPositions`], whose number comes back.
    pub fn positioned(&mut self, fetch: FetchId, positions: Vec<Positions>, now: Now) {
        self.turn(now);
        if self.transaction.phase == Phase::Resolving(fetch) {
            self.resolve(&positions);
        } else {
            for found in positions {
                let trusts = self.conduct.breaks(ExactlyOnceBug::TrustStalePositions);
                let waits = |(id, latest): &(PartitionId, FetchId)| {
                    *id == found.partition && (*latest == fetch || trusts)
                };
                let Some(index) = self.assignment.asked.iter().position(waits) else { continue };
                self.assignment.asked.swap_remove(index);
                if let Err(error) = self.begin_epoch(&found) {
                    self.fail(error);
                }
            }
        }
        self.settle();
    }

    fn begin_epoch(&mut self, found: &Positions) -> Result<(), FlowError> {
        let Positions { partition, committed, low, high } = found;
        let Some(Some(name)) = self.names.get(partition.index()).cloned() else {
            unreachable!("only named ones are asked for")
        };
        let (position, metadata) = committed.clone().unwrap_or((*low, String::new()));
        if position > *high {
            return Err(FlowError::OffsetsBeyondEnd { partition: name, committed: position, high: *high });
        }
        if position < *low && !self.settings.accept_lost_offsets {
            return Err(FlowError::OffsetsLost { partition: name, lost: position..*low });
        }
        if let Err(error) = commit_metadata::decode_transaction(&metadata) {
            return Err(FlowError::Metadata { partition: name, error });
        }
        let (epoch, dedupe) = (self.next_epoch(), self.empty_dedupe());
        let next = position.max(*low);
        let before = self.partitions[partition.index()].replace(PartitionState {
            epoch,
            restored_in: epoch,
            next,
            committed: next,
            low: *low,
            dedupe,
            state: State::new(self.settings.state),
            stage: Stage::Restoring,
            loading: None,
            from_snapshot: false,
            snapshots: Snapshots::new(),
            touched: false,
            sealed: None,
            revoked: false,
        });
        assert!(before.is_none(), "the epoch before has ended");
        self.load(*partition);
        Ok(())
    }

    /// Records of a changelog, in its order; the batch carries the partition and the epoch that are being restored.
    pub fn restoring(&mut self, batch: Batch, now: Now) {
        self.turn(now);
        let epoch = batch.epoch();
        for index in 0..batch.len() {
            let record = batch.record(index);
            if self.conduct.breaks(ExactlyOnceBug::LoseOverdueTimers) && self.is_overdue(&record) {
                continue;
            }
            let state = self.partition_mut(batch.partition()).filter(|state| state.epoch == epoch);
            let Some(state) = state.filter(|state| state.stage == Stage::Restoring) else { break };
            let restored = state.state.restore(record.key, record.value);
            let from_snapshot = state.from_snapshot;
            match restored {
                Ok(()) => {}
                // Items of the snapshot and of before it stand beside each other for a while.
                Err(StateError::Full { .. }) if from_snapshot => {
                    self.refuse_snapshot(batch.partition(), SnapshotRefusal::TooLarge);
                    break;
                }
                Err(error) => {
                    self.fail_state(batch.partition(), error);
                    break;
                }
            }
        }
        self.spent.push(batch);
        self.settle();
    }

    fn is_overdue(&self, record: &Record<'_>) -> bool {
        let content = Entry::read(record.key, record.value).ok().and_then(|entry| entry.content);
        matches!(content, Some(Content::Timer(deadline_ms)) if deadline_ms <= self.timers_now_ms())
    }

    /// The changelog was read up to the high watermark, which is `end`.
    pub fn restored(&mut self, partition: PartitionId, epoch: Epoch, end: i64, now: Now) {
        self.turn(now);
        if let Some(state) = self.partition_mut(partition).filter(|state| state.epoch == epoch) {
            state.stage = Stage::Waiting(now.uptime_ms);
            self.note_restored(partition, end);
        }
        self.settle();
    }

    /// Starts reading those whose wait is over.
    pub(super) fn start_waiting(&mut self) {
        let rewinds = !self.conduct.breaks(ExactlyOnceBug::DedupeNotRebuilt);
        let window = self.settings.dedupe.as_ref().filter(|_| rewinds).map_or(0, |dedupe| dedupe.window);
        let mut reads: Vec<ReadFrom> = Vec::new();
        for (index, state) in self.partitions.iter_mut().enumerate() {
            let Some(state) = state.as_mut().filter(|state| !state.revoked) else { continue };
            if matches!(state.stage, Stage::Waiting(due_ms) if due_ms <= self.now.uptime_ms) {
                state.stage = Stage::Running;
                reads.push(state.read_from(PartitionId(index as u32), window));
            }
        }
        if !reads.is_empty() {
            self.commands.push_back(Command::Read(reads));
        }
    }

    /// The group takes these partitions away, and waits until they are released.
    pub fn revoked(&mut self, partitions: Vec<PartitionId>, now: Now) {
        self.turn(now);
        self.assignment.decided(&partitions);
        for partition in &partitions {
            if let Some(state) = self.partition_mut(*partition) {
                state.revoked = true;
            }
        }
        self.look_again();
        let deadline_ms = now.plus_ms(self.settings.drain_deadline_ms);
        self.assignment.revocations.push_back((partitions, deadline_ms));
        self.settle();
    }

    /// Releases what is revoked, once every transaction that has something of it has ended. At the deadline it is released all
    /// the same: its next owner waits for stable offsets, and so for the outcome.
    pub(super) fn drain(&mut self) {
        while let Some((partitions, deadline_ms)) = self.assignment.revocations.front() {
            let uncommitted = |id: &PartitionId| {
                let state = self.partitions.get(id.index()).and_then(Option::as_ref);
                state.is_some_and(PartitionState::is_uncommitted)
            };
            if partitions.iter().any(uncommitted) && self.now.uptime_ms < *deadline_ms {
                return;
            }
            let Some((partitions, _)) = self.assignment.revocations.pop_front() else { return };
            self.end_epochs(&partitions);
            self.commands.push_back(Command::Release(partitions));
        }
    }

    /// The partitions are somebody else's already.
    pub fn lost(&mut self, partitions: Vec<PartitionId>, now: Now) {
        self.turn(now);
        self.assignment.decided(&partitions);
        for (revoked, _) in &mut self.assignment.revocations {
            revoked.retain(|id| !partitions.contains(id));
        }
        self.end_epochs(&partitions);
        self.commands.push_back(Command::Release(partitions));
        self.settle();
    }

    /// The offset a partition was to be read from is not there (any more): ask again where to start.
    pub fn out_of_range(&mut self, partition: PartitionId, now: Now) {
        self.turn(now);
        if self.partition_mut(partition).is_some_and(|state| !state.revoked) {
            self.end_epochs(&[partition]);
            self.assignment.unasked.push((partition, now.uptime_ms));
        }
        self.settle();
    }

    /// Ends epochs. What a transaction has of them must not be committed, unless that is asked for already: then the group's
    /// fence decides.
    fn end_epochs(&mut self, partitions: &[PartitionId]) {
        let mut touched = false;
        for partition in partitions {
            let state = self.partitions.get_mut(partition.index()).and_then(Option::take);
            touched |= state.is_some_and(|state| state.touched);
        }
        if touched {
            self.give_up_open();
        }
        self.look_again();
    }

    /// The broker has fenced us: nothing of ours goes on. What no event takes away is started again.
    pub(super) fn start_again_later(&mut self) {
        let due_ms = self.now.plus_ms(FENCED_RESTART_MS);
        for (index, state) in self.partitions.iter_mut().enumerate() {
            if state.take().is_some_and(|state| !state.revoked) {
                self.assignment.unasked.push((PartitionId(index as u32), due_ms));
            }
        }
    }
}
