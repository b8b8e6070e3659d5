//! Local snapshots of the state: when one is taken, and what is done with one that is there (see [`crate::state::snapshot`]).
//!
//! A snapshot needs an offset of the changelog that is not beyond its items. Where the changelog ends is asked for when one is
//! due; but the answer may hold what another owner wrote, if the group has given the partition away and this worker has not
//! heard of it. So an answer counts only once a transaction that was committed after it has shown that the partition was still
//! ours: the group fences offsets of who is not its owner. For that, no transaction is made: the next one that there is
//! anyhow proves it, and a partition that gets none needs no other snapshot. The same transaction says as of when the
//! snapshot is complete.
//!
//! Parts are taken while no transaction is open, so that they hold what is committed; only after a transaction that ended
//! because nothing more was to be read (nothing runs ahead of its end then), or while there is nothing to do at all, so that
//! a backlog is never kept waiting; and one at a time, the next when the one before lies on the disk, so that at most one piece takes memory.

use crate::exactly_once::ExactlyOnceWorker;
use crate::exactly_once::interface::{Command, SnapshotPiece, SnapshotSettings};
use crate::exactly_once::operator::StatefulOperator;
use crate::exactly_once::partition::{PartitionState, Stage};
use crate::exactly_once::transaction::Phase;
use crate::position::{Epoch, PartitionId};
use crate::sabotage::{Conduct, ExactlyOnceBug};
use crate::state::State;
use crate::state::snapshot::{
    SnapshotHeader, SnapshotReader, SnapshotRefusal, SnapshotTerms, SnapshotWriter, Trusts,
};
use crate::time::Now;

/// An offset of the changelog that is not beyond what is in the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Unknown,
    Asked,
    /// The changelog ended there; whether all of it was ours is not known.
    Found(i64),
    /// The transaction that is being committed will tell.
    Proving(i64),
    Proved(i64),
}

/// Snapshots of one partition's state.
#[derive(Debug)]
pub(super) struct Snapshots {
    end: End,
    /// When the next one is due, if something has changed: an uptime.
    due_ms: u64,
    /// Something has changed since the last one, or there was none.
    changed: bool,
    /// Every deletion that is not in the state came later, by the clock of timers.
    complete_ms: i64,
    taking: Option<Taking>,
    /// The last one that lies on the disk: its time, and how many bytes it has.
    pub(super) kept: Option<(i64, u64)>,
}

#[derive(Debug)]
struct Taking {
    writer: SnapshotWriter,
    complete_ms: i64,
    bytes: u64,
    /// The last piece is on its way.
    ended: bool,
}

impl Snapshots {
    pub(super) fn new() -> Self {
        Self { end: End::Unknown, due_ms: 0, changed: false, complete_ms: i64::MIN, taking: None, kept: None }
    }

    /// The state is what the changelog says up to that offset.
    fn restored(&mut self, end: i64, due_ms: u64) {
        (self.end, self.due_ms, self.changed) = (End::Proved(end), due_ms, end > 0);
    }

    /// A transaction with something of the partition is being committed.
    pub(super) fn committing(&mut self) {
        if let End::Found(end) = self.end {
            self.end = End::Proving(end);
        }
    }

    /// It has ended. `changed`: it has changed the state. `asked_ms`: when it was to be committed, by the clock of timers.
    pub(super) fn ended(&mut self, committed: bool, changed: bool, asked_ms: i64, uptime_ms: u64) {
        self.end = match self.end {
            End::Proving(end) if committed => End::Proved(end),
            End::Proving(end) => End::Found(end),
            // When the next one is due the changelog has gone on; and what is the first to change begins behind it.
            End::Proved(_) if committed && changed && (uptime_ms < self.due_ms || !self.changed) => {
                End::Unknown
            }
            end => end,
        };
        if committed {
            self.changed |= changed;
            self.complete_ms = self.complete_ms.max(asked_ms);
        }
    }

    fn must_ask(&self) -> bool {
        self.changed && self.end == End::Unknown && self.taking.is_none()
    }

    /// When something is to be done.
    pub(super) fn wake_at_ms(&self, uptime_ms: u64) -> Option<u64> {
        let starts = matches!(self.end, End::Proved(_)) && self.changed && self.due_ms > uptime_ms;
        (self.must_ask() || starts).then_some(self.due_ms)
    }

    /// Whether one is being taken, or may be begun.
    fn is_ready(&self, uptime_ms: u64) -> bool {
        let due = self.changed && self.due_ms <= uptime_ms && matches!(self.end, End::Proved(_));
        self.taking.as_ref().map_or(due, |taking| !taking.ended)
    }

    /// Whether a part could be taken if the transaction that is being committed had ended, and nothing ran ahead.
    fn waits(&self, uptime_ms: u64) -> bool {
        let due = self.changed && self.due_ms <= uptime_ms;
        let proved = matches!(self.end, End::Proving(_) | End::Proved(_));
        self.taking.as_ref().map_or(due && proved, |taking| !taking.ended)
    }

    fn begin(&mut self, header: &SnapshotHeader, into: &mut Vec<u8>) {
        let (complete_ms, writer) = (header.complete_ms, SnapshotWriter::begin(header, into));
        self.taking = Some(Taking { writer, complete_ms, bytes: 0, ended: false });
        (self.end, self.changed) = (End::Unknown, false);
    }

    /// The last piece is on the disk, or is not: then the snapshot is given up.
    fn written(&mut self, written: bool, due_ms: u64) {
        let Some(taking) = self.taking.as_ref().filter(|taking| taking.ended || !written) else { return };
        if written {
            self.kept = Some((taking.complete_ms, taking.bytes));
        }
        (self.taking, self.due_ms) = (None, due_ms);
        self.changed |= !written;
    }
}

impl<O: StatefulOperator, X: Conduct> ExactlyOnceWorker<O, X> {
    /// The state of a partition that has just begun is to be read: from a snapshot, where they are kept.
    pub(super) fn load(&mut self, partition: PartitionId) {
        let (Some(settings), Some(name)) = (&self.settings.snapshots, &self.names[partition.index()]) else {
            return self.restore(partition, None);
        };
        let terms = SnapshotTerms {
            topic_id: settings.topic_id.clone(),
            number: name.number,
            now_ms: self.timers_now_ms(),
            age_ms_max: settings.age_ms_max,
        };
        let trusts = Trusts {
            damaged: self.conduct.breaks(ExactlyOnceBug::TrustDamagedSnapshot),
            foreign: self.conduct.breaks(ExactlyOnceBug::UseForeignSnapshot),
            old: self.conduct.breaks(ExactlyOnceBug::UseOldSnapshot),
        };
        let reader = SnapshotReader::trusting(terms, self.settings.state.row_bytes_max, trusts);
        let Some(state) = self.partition_mut(partition) else { return };
        (state.stage, state.loading) = (Stage::Loading, Some(reader));
        let epoch = state.epoch;
        self.commands.push_back(Command::LoadSnapshot { partition, epoch });
    }

    /// Asks for the changelog, from that offset or all of it.
    fn restore(&mut self, partition: PartitionId, from: Option<i64>) {
        let now_ms = self.timers_now_ms();
        let Some(state) = self.partition_mut(partition) else { return };
        (state.stage, state.from_snapshot) = (Stage::Restoring, from.is_some());
        state.snapshots.complete_ms = now_ms;
        let epoch = state.epoch;
        self.commands.push_back(Command::Restore { partition, epoch, from });
    }

    /// The next bytes of the snapshot that was asked for with [`Command::LoadSnapshot`].
    pub fn snapshot_read(&mut self, partition: PartitionId, epoch: Epoch, bytes: &[u8], now: Now) {
        self.turn(now);
        let Some(state) = self.in_stage(partition, epoch, Stage::Loading) else { return };
        let read = state.loading.as_mut().map_or(Ok(()), |reader| reader.read(bytes, &mut state.state));
        if let Err(refusal) = read {
            self.refuse_snapshot(partition, refusal);
        }
        self.settle();
    }

    /// That was all of it; `found`: there was one.
    pub fn snapshot_ends(&mut self, partition: PartitionId, epoch: Epoch, found: bool, now: Now) {
        self.turn(now);
        let Some(state) = self.in_stage(partition, epoch, Stage::Loading) else { return };
        let loaded = state.loading.take().filter(|_| found).map(SnapshotReader::finish);
        match loaded {
            None => self.restore(partition, None),
            Some(Ok((header, bytes))) => {
                state.snapshots.kept = Some((header.complete_ms, bytes));
                self.restore(partition, Some(header.next_offset));
            }
            Some(Err(refusal)) => self.refuse_snapshot(partition, refusal),
        }
        self.settle();
    }

    /// The changelog can't be read from the offset that [`Command::Restore`] named.
    pub fn snapshot_not_in_log(&mut self, partition: PartitionId, epoch: Epoch, reason: String, now: Now) {
        self.turn(now);
        if self.in_stage(partition, epoch, Stage::Restoring).is_some_and(|state| state.from_snapshot) {
            self.refuse_snapshot(partition, SnapshotRefusal::NotInLog(reason));
        }
        self.settle();
    }

    /// Begins anew with the whole changelog, under another epoch: what was asked for before is not for this state.
    pub(super) fn refuse_snapshot(&mut self, partition: PartitionId, refusal: SnapshotRefusal) {
        let (limits, epoch) = (self.settings.state, self.next_epoch());
        let Some(state) = self.partition_mut(partition) else { return };
        (state.state, state.loading) = (State::new(limits), None);
        (state.epoch, state.restored_in) = (epoch, epoch);
        self.commands.push_back(Command::RefusedSnapshot { partition, refusal });
        self.restore(partition, None);
    }

    fn in_stage(
        &mut self,
        partition: PartitionId,
        epoch: Epoch,
        stage: Stage,
    ) -> Option<&mut PartitionState> {
        self.partition_mut(partition).filter(|state| state.epoch == epoch && state.stage == stage)
    }

    /// The changelog was read up to its end, which was asked for after [`Command::Restore`] came.
    pub(super) fn note_restored(&mut self, partition: PartitionId, end: i64) {
        let Some(settings) = &self.settings.snapshots else { return };
        let later_ms = self.now.plus_ms(settings.interval_ms);
        let now_ms = self.now.uptime_ms;
        if let Some(state) = self.partition_mut(partition) {
            let due_ms = if state.from_snapshot { later_ms } else { now_ms };
            state.snapshots.restored(end, due_ms);
        }
    }

    /// Where the changelog ends, that was asked for with [`Command::AskChangelogEnd`].
    pub fn changelog_ends(&mut self, partition: PartitionId, epoch: Epoch, end: i64, now: Now) {
        self.turn(now);
        let state = self.partition_mut(partition).filter(|state| state.restored_in == epoch);
        if let Some(state) = state.filter(|state| state.snapshots.end == End::Asked) {
            state.snapshots.end = End::Found(end);
        }
        self.settle();
    }

    /// When something is to be done about snapshots.
    pub(super) fn snapshots_wake_at_ms(&self) -> Option<u64> {
        if self.settings.snapshots.is_none() || self.stopping.is_some() {
            return None;
        }
        let running = self.partitions.iter().flatten().filter(|state| state.runs());
        running.filter_map(|state| state.snapshots.wake_at_ms(self.now.uptime_ms)).min()
    }

    pub(super) fn ask_changelog_ends(&mut self) {
        if self.settings.snapshots.is_none() || self.stopping.is_some() {
            return;
        }
        let uptime_ms = self.now.uptime_ms;
        for (index, state) in self.partitions.iter_mut().enumerate() {
            let Some(state) = state.as_mut().filter(|state| state.runs()) else { continue };
            if state.snapshots.must_ask() && state.snapshots.due_ms <= uptime_ms {
                state.snapshots.end = End::Asked;
                let (partition, epoch) = (PartitionId(index as u32), state.restored_in);
                self.commands.push_back(Command::AskChangelogEnd { partition, epoch });
            }
        }
    }

    /// Whether a piece of a snapshot is taken when the transaction has ended that is being committed.
    pub(super) fn snapshot_waits(&self) -> bool {
        self.settings.snapshots.is_some() && self.caught_up && self.writing.is_none() && {
            let mut running = self.partitions.iter().flatten().filter(|state| state.runs());
            running.any(|state| state.snapshots.waits(self.now.uptime_ms))
        }
    }

    /// Takes the next piece of a snapshot, if this is the time for it.
    pub(super) fn take_snapshot(&mut self) {
        let Some(settings) = &self.settings.snapshots else { return };
        let uncommitted = self.conduct.breaks(ExactlyOnceBug::SnapshotOpenTransaction);
        let quiet = self.transaction.phase == Phase::Ready
            && !self.transaction.is_open()
            && self.caught_up
            && self.arrived.is_empty();
        if self.writing.is_some() || self.stopping.is_some() || self.ended || !(quiet || uncommitted) {
            return;
        }
        let uptime_ms = self.now.uptime_ms;
        let ready = |state: &Option<PartitionState>, begun: bool| {
            let state = state.as_ref().filter(|state| state.runs());
            state.is_some_and(|state| {
                state.snapshots.is_ready(uptime_ms) && state.snapshots.taking.is_some() == begun
            })
        };
        let of = |begun: bool| self.partitions.iter().position(|state| ready(state, begun));
        let Some(index) = of(true).or_else(|| of(false)) else { return };
        let (Some(state), Some(name)) = (&mut self.partitions[index], &self.names[index]) else { return };
        let piece = next_piece(state, PartitionId(index as u32), name.number, settings);
        self.writing = Some((piece.partition, piece.epoch));
        self.commands.push_back(Command::WriteSnapshot(piece));
    }

    /// What became of a piece that came with [`Command::WriteSnapshot`]: each is answered.
    pub fn snapshot_written(&mut self, partition: PartitionId, epoch: Epoch, written: bool, now: Now) {
        self.turn(now);
        assert_eq!(
            self.writing.take(),
            Some((partition, epoch)),
            "one piece at a time, and each is answered"
        );
        let interval_ms = self.settings.snapshots.as_ref().map_or(0, |settings| settings.interval_ms);
        let due_ms = now.plus_ms(interval_ms);
        if let Some(state) = self.partition_mut(partition).filter(|state| state.restored_in == epoch) {
            state.snapshots.written(written, due_ms);
        }
        self.settle();
    }
}

fn next_piece(
    state: &mut PartitionState,
    partition: PartitionId,
    number: i32,
    settings: &SnapshotSettings,
) -> SnapshotPiece {
    let mut bytes = Vec::new();
    let first = state.snapshots.taking.is_none();
    if let (true, End::Proved(next_offset)) = (first, state.snapshots.end) {
        let complete_ms = state.snapshots.complete_ms;
        let header = SnapshotHeader { topic_id: settings.topic_id.clone(), number, next_offset, complete_ms };
        state.snapshots.begin(&header, &mut bytes);
    }
    let Some(taking) = &mut state.snapshots.taking else { unreachable!("it was begun, now or before") };
    taking.ended = taking.writer.write(&state.state, settings.slice_bytes, &mut bytes);
    taking.bytes += bytes.len() as u64;
    SnapshotPiece { partition, epoch: state.restored_in, bytes, first, last: taking.ended }
}
