//! Local snapshots as the driver sees them: a thread that reads and writes, and what is told of it.

use thalweg_connectors::kafka::changelog::RestoreEvent;
use thalweg_core::exactly_once::{SnapshotPiece, StatefulOperator};
use thalweg_core::position::{Epoch, PartitionId};
use thalweg_core::state::snapshot::SnapshotRefusal;
use thalweg_core::time::Now;

use super::looping::{Driver, RESTORED_A_TURN};
use crate::state::snapshot_folder::{SnapshotEvent, SnapshotThread};

/// What a worker has beside the broker to restore state from.
pub(super) struct Local {
    /// None: no snapshots are kept, and the worker asks for none.
    thread: Option<SnapshotThread>,
    /// Where changelogs are read from that are being restored; `None`: from the beginning.
    begun: Vec<(PartitionId, Option<i64>)>,
}

impl Local {
    pub(super) fn new(thread: Option<SnapshotThread>) -> Self {
        Self { thread, begun: Vec::new() }
    }

    pub(super) fn forget(&mut self, partitions: &[PartitionId]) {
        self.begun.retain(|(id, _)| !partitions.contains(id));
    }
}

impl<O: StatefulOperator> Driver<O> {
    pub(super) fn begin_restore(
        &mut self,
        (partition, epoch): (PartitionId, Epoch),
        from: Option<i64>,
        now: Now,
    ) {
        let number = self.number(partition);
        self.local.forget(&[partition]);
        self.local.begun.push((partition, from));
        if let Err(error) = self.changelogs.begin(partition, epoch, number, from) {
            let name = self.source.partitions().names(&[partition]);
            self.fail(format!("the state of {name} can't be restored: {error}"), now);
        }
    }

    pub(super) fn load_snapshot(&mut self, partition: PartitionId, epoch: Epoch) {
        let number = self.number(partition);
        let Some(thread) = &self.local.thread else {
            unreachable!("a worker without snapshots asks for none")
        };
        thread.load(partition, epoch, number);
    }

    pub(super) fn write_snapshot(&mut self, piece: SnapshotPiece) {
        let number = self.number(piece.partition);
        let Some(thread) = &self.local.thread else { unreachable!("a worker without snapshots takes none") };
        if piece.last {
            tracing::debug!(partition = %self.source.partitions().names(&[piece.partition]), "a snapshot is being ended");
        }
        thread.write(number, piece);
    }

    /// For a snapshot; the flow does not depend on the answer.
    pub(super) fn ask_changelog_end(&mut self, partition: PartitionId, epoch: Epoch) {
        let number = self.number(partition);
        if let Err(error) = self.changelogs.ask_end(partition, epoch, number) {
            let name = self.source.partitions().names(&[partition]);
            tracing::warn!(
                "where the changelog of {name} ends can't be asked: there will be no snapshot: {error}"
            );
        }
    }

    pub(super) fn refused_snapshot(&mut self, partition: PartitionId, refusal: &SnapshotRefusal) {
        self.counted.restores.refused += 1;
        let partition = self.source.partitions().names(&[partition]);
        tracing::warn!(%partition, "the local snapshot is not used, reading the whole changelog: {refusal}");
    }

    fn number(&self, partition: PartitionId) -> i32 {
        let Some((_, number)) = self.source.partitions().name(partition) else {
            unreachable!("ids come from the source's table")
        };
        number
    }

    /// Takes in what there is of snapshots and changelogs. Answers whether there may be more.
    pub(super) fn restore(&mut self, now: Now) -> bool {
        let more = self.take_snapshot_events(now);
        for _ in 0..RESTORED_A_TURN {
            let reading = &mut self.reading;
            let Some(event) = self.changelogs.poll(|| reading.empty_batch()) else { return more };
            self.take_restored(event, now);
            self.obey(now);
        }
        true
    }

    fn take_restored(&mut self, event: RestoreEvent, now: Now) {
        match event {
            RestoreEvent::Records(batch) => {
                self.counted.restores.records += batch.len() as u64;
                self.worker.restoring(batch, now);
            }
            RestoreEvent::Done(partition, epoch, end) => {
                let begun = self.local.begun.iter().find(|(id, _)| *id == partition);
                let from = begun.and_then(|(_, from)| *from);
                self.local.forget(&[partition]);
                self.counted.restores.all += 1;
                self.counted.restores.from_snapshot += u64::from(from.is_some());
                let (partition_name, records) =
                    (self.source.partitions().names(&[partition]), end - from.unwrap_or(0));
                let snapshot = from.is_some();
                tracing::info!(partition = %partition_name, snapshot, records, "state restored");
                self.worker.restored(partition, epoch, end, now);
            }
            RestoreEvent::NotInLog(partition, epoch, reason) => {
                self.worker.snapshot_not_in_log(partition, epoch, reason, now);
            }
            RestoreEvent::Ends(partition, epoch, end) => {
                self.worker.changelog_ends(partition, epoch, end, now);
            }
            RestoreEvent::Failed(partition, reason) => {
                let name = self.source.partitions().names(&[partition]);
                self.fail(format!("the state of {name} can't be restored: {reason}"), now);
            }
            RestoreEvent::Warning(text) => tracing::warn!("changelogs: {text}"),
        }
    }

    /// Answers whether there may be more.
    fn take_snapshot_events(&mut self, now: Now) -> bool {
        for _ in 0..RESTORED_A_TURN {
            let event = self.local.thread.as_ref().and_then(SnapshotThread::event);
            match event {
                None => return false,
                Some(SnapshotEvent::Read(partition, epoch, bytes)) => {
                    self.worker.snapshot_read(partition, epoch, &bytes, now);
                }
                Some(SnapshotEvent::Ends(partition, epoch, ended)) => {
                    self.snapshot_ends(partition, epoch, ended, now);
                }
                Some(SnapshotEvent::Written(partition, epoch, written)) => {
                    self.snapshot_written(partition, epoch, &written, now);
                }
            }
            self.obey(now);
        }
        true
    }

    fn snapshot_ends(&mut self, partition: PartitionId, epoch: Epoch, ended: Result<bool, String>, now: Now) {
        let found = ended.unwrap_or_else(|error| {
            self.counted.restores.failed += 1;
            tracing::warn!("a local snapshot can't be read, reading the whole changelog: {error}");
            false
        });
        self.worker.snapshot_ends(partition, epoch, found, now);
    }

    fn snapshot_written(
        &mut self,
        partition: PartitionId,
        epoch: Epoch,
        written: &Result<(), String>,
        now: Now,
    ) {
        let kept = |driver: &Self| {
            let of = driver.worker.progress().find(|progress| progress.partition == partition);
            of.and_then(|progress| progress.snapshot)
        };
        let before = kept(self);
        if let Err(error) = written {
            self.counted.restores.failed += 1;
            tracing::warn!("a local snapshot can't be written, the flow goes on without it: {error}");
        }
        self.worker.snapshot_written(partition, epoch, written.is_ok(), now);
        self.counted.restores.written += u64::from(written.is_ok() && kept(self) != before);
    }
}
