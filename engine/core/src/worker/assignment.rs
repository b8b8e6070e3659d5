//! Partitions come and go: start positions, revocation with its drain, loss.

use std::collections::VecDeque;

use crate::commit_metadata;
use crate::dedupe::Dedupe;
use crate::operator::Operator;
use crate::originals::Originals;
use crate::position::{Epoch, PartitionId};
use crate::sabotage::{Bug, Conduct};
use crate::sink_lanes::Began;
use crate::time::Now;
use crate::tracker::OffsetTracker;
use crate::worker::interface::{Command, FetchId, FlowError, Positions, ReadFrom};
use crate::worker::partition::{PartitionName, PartitionState};
use crate::worker::{Worker, commits};

/// Rebalances under way.
#[derive(Debug, Default)]
pub(super) struct Rebalance {
    /// Assigned, and waiting for the answer to that question for their positions.
    awaiting_positions: Vec<(PartitionId, FetchId)>,
    /// The number of the next question.
    next_fetch: u64,
    /// Being given up, in the order of the events: each is released as a whole.
    revocations: VecDeque<Revocation>,
    /// Fenced, and not taken away by an event yet: when to start them again.
    fenced: Vec<(PartitionId, u64)>,
}

/// A fenced member hears of it with its next heartbeat (a second by default) and loses its partitions by an event. Where
/// none has come after this time it is still a member, and nobody else will read them.
const FENCED_RESTART_MS: u64 = 10_000;

#[derive(Debug)]
struct Revocation {
    partitions: Vec<PartitionId>,
    deadline_ms: u64,
    /// The final commit is out.
    committing: bool,
}

impl Rebalance {
    pub(super) fn deadline_ms(&self) -> Option<u64> {
        self.revocations.front().filter(|revocation| !revocation.committing).map(|first| first.deadline_ms)
    }

    /// When fenced partitions are to be started again.
    pub(super) fn restart_ms(&self) -> Option<u64> {
        self.fenced.iter().map(|(_, due_ms)| *due_ms).min()
    }

    /// The group has said what becomes of these.
    fn decided(&mut self, partitions: &[PartitionId]) {
        self.awaiting_positions.retain(|(id, _)| !partitions.contains(id));
        self.fenced.retain(|(id, _)| !partitions.contains(id));
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.revocations.is_empty()
    }

    /// The question for these partitions' positions.
    fn ask(&mut self, partitions: Vec<PartitionId>) -> Command {
        let fetch = FetchId(self.next_fetch);
        self.next_fetch += 1;
        self.awaiting_positions.extend(partitions.iter().map(|id| (*id, fetch)));
        Command::FetchPositions { fetch, partitions }
    }

    /// Whether the partition waits for the answer to that question; from now on it does not.
    fn takes(&mut self, partition: PartitionId, fetch: FetchId, any: bool) -> bool {
        let waits = |(id, latest): &(PartitionId, FetchId)| *id == partition && (any || *latest == fetch);
        let index = self.awaiting_positions.iter().position(waits);
        index.map(|index| self.awaiting_positions.swap_remove(index)).is_some()
    }
}

impl<O: Operator, X: Conduct> Worker<O, X> {
    /// The group gave these partitions to this worker.
    pub fn assigned(&mut self, partitions: Vec<(PartitionId, PartitionName)>, now: Now) {
        self.turn(now);
        let mut ids = Vec::with_capacity(partitions.len());
        for (id, name) in partitions {
            let size = self.names.len().max(id.index() + 1);
            self.names.resize(size, None);
            self.partitions.resize_with(size, || None);
            self.names[id.index()] = Some(name);
            ids.push(id);
        }
        self.rebalance.decided(&ids);
        let ask = self.rebalance.ask(ids);
        self.commands.push_back(ask);
        self.settle(now);
    }

    /// What the broker says of partitions asked for with [`Command::FetchPositions`], whose number comes back. Partitions
    /// that were taken away since, also those that were given back, are passed over.
    pub fn positioned(&mut self, fetch: FetchId, positions: Vec<Positions>, now: Now) {
        self.turn(now);
        let any = self.conduct.has(Bug::BelieveStalePositions);
        let mut reads = Vec::with_capacity(positions.len());
        for found in positions {
            if !self.rebalance.takes(found.partition, fetch, any) {
                continue;
            }
            match self.begin_epoch(found, now) {
                Ok(read) => reads.push(read),
                Err(error) => self.commands.push_back(Command::Fail(error)),
            }
        }
        if !reads.is_empty() {
            self.commands.push_back(Command::Read(reads));
        }
        self.settle(now);
    }

    fn begin_epoch(&mut self, found: Positions, now: Now) -> Result<ReadFrom, FlowError> {
        let Positions { partition, committed, low, high } = found;
        let Some(Some(name)) = self.names.get(partition.index()) else {
            unreachable!("only named ones are asked for")
        };
        let name = name.clone();
        let (position, metadata) = committed.unwrap_or((low, String::new()));
        if position > high {
            return Err(FlowError::OffsetsBeyondEnd { partition: name, committed: position, high });
        }
        let silent = self.conduct.has(Bug::PassOverLostOffsets);
        if position < low && !self.settings.accept_lost_offsets && !silent {
            return Err(FlowError::OffsetsLost { partition: name, lost: position..low });
        }
        if position < low && !silent {
            let lost =
                format!("{name}: offsets {position} to {} were lost to retention; going on as set", low - 1);
            self.commands.push_back(Command::Warn(lost));
        }
        let start = position.max(low);
        let finished = commit_metadata::decode(position, &metadata).unwrap_or_else(|error| {
            let warning = format!("{name}: {error}; what was finished above offset {start} is done again");
            self.commands.push_back(Command::Warn(warning));
            let all = self.conduct.has(Bug::UnreadableMetadataIsFinished).then_some(start..high);
            all.into_iter().collect()
        });
        let epoch = Epoch(self.next_epoch);
        self.next_epoch += 1;
        let began = Began { epoch, log_end: high, at_ms: now.uptime_ms };
        for sink in &mut self.sinks {
            sink.epoch_began(partition, began);
        }
        self.dead_letters.epoch_began(partition, began);
        let window = self.settings.dedupe.as_ref().map(|dedupe| dedupe.window);
        let rewind = if self.conduct.has(Bug::NoDedupeRewind) { 0 } else { window.unwrap_or(0) };
        let before = self.partitions[partition.index()].replace(PartitionState {
            epoch,
            tracker: OffsetTracker::new(partition, epoch, start),
            originals: Originals::default(),
            dedupe: window.map(Dedupe::new),
            finished_before: finished.into(),
            committed: position,
            closed_since_commit: 0,
            congestion: 0,
            revoked: false,
        });
        assert!(before.is_none(), "the epoch before has ended");
        self.assigned += 1;
        Ok(ReadFrom { partition, epoch, offset: start.saturating_sub_unsigned(rewind).max(low) })
    }

    /// The offset a partition was to be read from is not there (any more): ask again where to start.
    pub fn out_of_range(&mut self, partition: PartitionId, now: Now) {
        self.turn(now);
        if self.partitions.get(partition.index()).is_some_and(Option::is_some) {
            self.end_epoch(partition);
            let ask = self.rebalance.ask(vec![partition]);
            self.commands.push_back(ask);
        }
        self.settle(now);
    }

    /// The broker has fenced these: nothing of theirs goes on. Should they stay ours, they are started again.
    pub(super) fn start_again_later(&mut self, partitions: impl Iterator<Item = PartitionId>, now: Now) {
        let due_ms = now.plus_ms(FENCED_RESTART_MS);
        for partition in partitions {
            self.end_epoch(partition);
            if !self.rebalance.revocations.iter().any(|revocation| revocation.partitions.contains(&partition))
            {
                self.rebalance.fenced.push((partition, due_ms));
            }
        }
    }

    /// Asks where to start fenced partitions again that no event has taken away.
    pub(super) fn restart_fenced(&mut self, now: Now) {
        let due = |(_, due_ms): &(PartitionId, u64)| *due_ms <= now.uptime_ms;
        if !self.rebalance.fenced.iter().any(due) {
            return;
        }
        let again: Vec<_> =
            self.rebalance.fenced.extract_if(.., |fenced| due(fenced)).map(|(id, _)| id).collect();
        let ask = self.rebalance.ask(again);
        self.commands.push_back(ask);
    }

    /// The group takes these partitions away, and waits until they are released.
    pub fn revoked(&mut self, partitions: Vec<PartitionId>, now: Now) {
        self.turn(now);
        self.rebalance.decided(&partitions);
        for partition in &partitions {
            let Some(Some(state)) = self.partitions.get_mut(partition.index()) else { continue };
            state.revoked = true;
            let epoch = state.epoch;
            // What has not been sent is left to the next owner; what is in the air is waited for. So is what follows from
            // it, with all that is queued before: a key's next follow-up must not go without the one before it.
            for (sink, takes_follow_ups) in self.sinks.iter_mut().zip(&self.takes_follow_ups) {
                if !takes_follow_ups || self.conduct.has(Bug::DropFollowUpsOnRevoke) {
                    sink.purge(*partition, epoch, &mut self.lane_events);
                }
            }
            self.dead_letters.purge(*partition, epoch, &mut self.lane_events);
            self.purge_admission(*partition, epoch);
        }
        let deadline_ms = now.plus_ms(self.settings.drain_deadline_ms);
        self.rebalance.revocations.push_back(Revocation { partitions, deadline_ms, committing: false });
        self.settle(now);
    }

    /// The partitions are somebody else's already: nothing may be committed for them.
    pub fn lost(&mut self, partitions: Vec<PartitionId>, now: Now) {
        self.turn(now);
        self.rebalance.decided(&partitions);
        for partition in &partitions {
            self.end_epoch(*partition);
        }
        for revocation in &mut self.rebalance.revocations {
            revocation.partitions.retain(|id| !partitions.contains(id));
        }
        self.commands.push_back(Command::Release(partitions));
        self.settle(now);
    }

    /// Brings revocations forward: flights have ended (or their time is up), commit, release.
    pub(super) fn drain(&mut self, now: Now) {
        let Some(first) = self.rebalance.revocations.front() else { return };
        if first.committing || self.commits.is_out() {
            return;
        }
        let flies = first.partitions.iter().any(|id| self.flies(*id));
        if flies && now.uptime_ms < first.deadline_ms {
            return;
        }
        let changed = first.partitions.iter().any(|id| self.is_uncommitted(*id));
        if !changed {
            self.release_first();
            return;
        }
        if let Some(first) = self.rebalance.revocations.front_mut() {
            first.committing = true;
        }
        self.commit(now);
    }

    /// A commit's result has come: if it was a revocation's last, the partitions are released.
    pub(super) fn committed_for_revocation(&mut self) {
        if self.rebalance.revocations.front().is_some_and(|first| first.committing) {
            self.release_first();
        }
    }

    fn release_first(&mut self) {
        let Some(first) = self.rebalance.revocations.pop_front() else { return };
        for partition in &first.partitions {
            self.end_epoch(*partition);
        }
        self.commands.push_back(Command::Release(first.partitions));
    }

    fn flies(&self, partition: PartitionId) -> bool {
        let Some(Some(state)) = self.partitions.get(partition.index()) else { return false };
        let mut sinks = self.sinks.iter().zip(&self.takes_follow_ups);
        self.dead_letters.flies(partition, state.epoch)
            || sinks.any(|(sink, takes_follow_ups)| match takes_follow_ups {
                true => sink.holds(partition, state.epoch),
                false => sink.flies(partition, state.epoch),
            })
    }

    /// Ends the partition's epoch: what is open is given up, what is still in the air is dropped when it lands.
    pub(super) fn end_epoch(&mut self, partition: PartitionId) {
        let Some(state) = self.partitions.get_mut(partition.index()).and_then(Option::take) else { return };
        self.assigned -= 1;
        let epoch = state.epoch;
        for sink in &mut self.sinks {
            sink.epoch_ended(partition, epoch, &mut self.lane_events);
        }
        self.dead_letters.epoch_ended(partition, epoch, &mut self.lane_events);
        self.purge_admission(partition, epoch);
        self.forget_awaited(partition);
        self.accounts.given_up += state.tracker.open_records() as u64;
        self.reserved_bytes -= state.tracker.reserved_bytes();
        self.commits.epoch_ended(partition);
    }

    fn purge_admission(&mut self, partition: PartitionId, epoch: Epoch) {
        self.admission.purge(|pending| {
            let position = pending.position();
            position.partition == partition && position.epoch == epoch
        });
    }

    /// Every event begins here: notices that the process or the machine was stopped meanwhile.
    pub(super) fn turn(&mut self, now: Now) {
        let gap_ms = now.uptime_ms.saturating_sub(self.now.uptime_ms);
        self.now = now;
        let owns = self.partitions.iter().any(Option::is_some);
        if gap_ms > commits::SUSPENSION_MS && owns && !self.conduct.has(Bug::NoFenceAfterSuspension) {
            self.commits.fence();
        }
    }
}
