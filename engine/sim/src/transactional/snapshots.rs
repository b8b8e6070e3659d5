//! Local disks with snapshots of state: written, kept while processes come and go, and found again, not always as they were.

use thalweg_core::exactly_once::SnapshotPiece;
use thalweg_core::position::{Epoch, PartitionId};
use thalweg_core::state::changelog::Entry;
use thalweg_core::state::snapshot::{SnapshotHeader, SnapshotRefusal, SnapshotWriter};
use thalweg_core::state::{Content, State, StateLimits};

use crate::checks::Checked;
use crate::tally::Count;
use crate::transactional::World;
use crate::transactional::event::Message;
use crate::transactional::plan::{CHANGELOG_ID, ROOMY_BYTES, Trouble};

/// Where the byte of version stands.
const VERSION_PLACE: usize = 4;

/// A row of another flow's state.
const FOREIGN_ROW: [u8; 8] = 1_000_u64.to_le_bytes();

impl World {
    /// Hands over what there is on the process's disk, in pieces.
    pub(super) fn load_snapshot(&mut self, number: usize, partition: PartitionId, epoch: Epoch) {
        let found = self.processes[number].disk.get(&partition.0).cloned();
        let found = found.map(|bytes| self.after_a_while(number, partition.0, bytes));
        let mut at_ms = 1;
        for piece in found.iter().flat_map(|bytes| bytes.chunks(1 + bytes.len() / 3)) {
            self.tell(number, at_ms, Message::SnapshotRead(partition, epoch, piece.to_vec()));
            at_ms += self.rng.u64(1..10);
        }
        self.tell(number, at_ms, Message::SnapshotEnds(partition, epoch, found.is_some()));
    }

    /// What became of a file on a disk.
    fn after_a_while(&mut self, number: usize, partition: u32, mut bytes: Vec<u8>) -> Vec<u8> {
        if self.rng.u8(0..100) >= self.plan.snapshots_harmed_percent {
            return bytes;
        }
        let place = self.rng.usize(0..bytes.len().max(1));
        // Harm behind the header is seen only in one that is not too old.
        match self.rng.u8(0..10) {
            0..3 => bytes.truncate(place),
            3..6 => bytes[place] ^= 1 << self.rng.u8(0..8),
            6..8 => bytes[VERSION_PLACE] += 1,
            _ => {
                let others = self.processes[number].disk.iter().filter(|(other, _)| **other != partition);
                let other = others.map(|(_, bytes)| bytes.clone()).next();
                let foreign = self.foreign_snapshot(partition);
                bytes = other.filter(|_| self.rng.bool()).unwrap_or(foreign);
            }
        }
        bytes
    }

    /// One of a changelog that had the same name, and is no more.
    fn foreign_snapshot(&self, partition: u32) -> Vec<u8> {
        let mut state = State::new(StateLimits { bytes_max: ROOMY_BYTES, row_bytes_max: ROOMY_BYTES });
        for key in (0..20_u32).filter(|key| key % self.plan.partitions == partition) {
            let name = [&[1, 0][..], format!("k{key}").as_bytes()].concat();
            let mut value = Vec::new();
            Entry { name: &name, content: Some(Content::Row(&FOREIGN_ROW)) }.write_value(&mut value);
            let restored = state.restore(Some(&name), Some(&value));
            assert_eq!(restored, Ok(()), "the row is as changelogs have them");
        }
        let header = SnapshotHeader {
            topic_id: format!("before {CHANGELOG_ID}"),
            number: partition.cast_signed(),
            next_offset: 0,
            complete_ms: self.unix_ms() - 100,
        };
        let mut bytes = Vec::new();
        SnapshotWriter::begin(&header, &mut bytes).write(&state, usize::MAX, &mut bytes);
        bytes
    }

    /// The disk writes a piece, or is full; it may take a while.
    pub(super) fn write_snapshot(&mut self, number: usize, piece: SnapshotPiece) {
        let SnapshotPiece { partition, epoch, bytes, first, last } = piece;
        let (full, slow) = (self.strikes(Trouble::DiskFull), self.rng.u8(0..100) < 10);
        let delay_ms = if slow { self.rng.u64(50..1_500) } else { self.rng.u64(1..10) };
        let half = &mut self.processes[number].half_written;
        if first {
            half.clear();
        }
        half.extend(bytes);
        let whole = if last && !full { Some(std::mem::take(half)) } else { None };
        self.tally.add(Count::SnapshotsFailed, u64::from(full));
        self.tell(number, delay_ms, Message::SnapshotWritten(partition, epoch, !full, whole));
    }

    /// What was written lies on the disk from now on, if it was the last piece.
    pub(super) fn snapshot_written(
        &mut self,
        number: usize,
        partition: PartitionId,
        epoch: Epoch,
        (written, whole): (bool, Option<Vec<u8>>),
    ) -> Checked {
        if let Some(whole) = whole {
            self.tally.one(Count::SnapshotsTaken);
            self.trace.note(self.now_ms, &[21, number as u64, u64::from(partition.0)], || {
                format!("process {number} has a snapshot of {partition:?}, {} bytes", whole.len())
            });
            self.processes[number].disk.insert(partition.0, whole);
        }
        self.turn(number, |worker, now| worker.snapshot_written(partition, epoch, written, now))
    }

    pub(super) fn snapshot_refused(
        &mut self,
        number: usize,
        partition: PartitionId,
        refusal: &SnapshotRefusal,
    ) {
        self.trace.note(self.now_ms, &[22, number as u64, u64::from(partition.0)], || {
            format!("process {number} does not use its snapshot of {partition:?}: {refusal}")
        });
        let count = match refusal {
            SnapshotRefusal::CutOff => Count::SnapshotsCutOff,
            SnapshotRefusal::Damaged(_) => Count::SnapshotsDamaged,
            SnapshotRefusal::Newer(_) => Count::SnapshotsNewer,
            SnapshotRefusal::OtherTopic(_) | SnapshotRefusal::OtherPartition(_) => Count::SnapshotsForeign,
            SnapshotRefusal::TooOld { .. } => Count::SnapshotsTooOld,
            _ => Count::SnapshotsOtherwiseRefused,
        };
        self.tally.one(count);
    }
}
