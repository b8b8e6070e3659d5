//! The offset tracker: which records of one partition, under one epoch, have their outcome.
//!
//! A ring of slots from the committed position up, one per record read. A slot counts what still has to happen for
//! its record; when the lowest slots reach zero they leave the ring, and the committed position moves over them.
//! Slots are found by sequence number, not by offset, so that gaps in the log (compaction, transaction markers)
//! cost nothing.

use std::collections::VecDeque;

use crate::outcome::Outcome;
use crate::position::{Epoch, PartitionId, Position};

/// The duty to bring one part of a record to its end: the record's own run, or one of its effects.
///
/// Not `Clone`, and consumed only by [`OffsetTracker::close`] (with an outcome) or [`Pending::abandon`] (its epoch
/// has ended). Dropping one is a bug: the commit position would stand still for ever, and a debug build panics.
#[must_use = "a record's part must end with an outcome"]
#[derive(Debug)]
pub struct Pending {
    position: Position,
    sequence: u64,
}

/// The sequence number of a duty that no tracker waits for.
const DETACHED: u64 = u64::MAX;

impl Pending {
    /// The record's place in the log.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Gives the duty up without an outcome, because the epoch it belongs to has ended.
    pub fn abandon(self) {
        std::mem::forget(self);
    }

    /// Passes the duty off as one of another epoch (sabotage only).
    pub(crate) fn renew(&mut self, (epoch, sequence): (Epoch, u64)) {
        self.position.epoch = epoch;
        self.sequence = sequence;
    }

    /// A duty of the same record that no tracker waits for (sabotage only).
    pub(crate) fn stray(&self) -> Self {
        Self { position: self.position, sequence: DETACHED }
    }

    /// Whether no tracker waits for it.
    pub(crate) fn is_stray(&self) -> bool {
        self.sequence == DETACHED
    }

    /// A duty that no tracker waits for; for testing sinks by themselves.
    pub(crate) fn detached(offset: i64) -> Self {
        let position = Position { partition: PartitionId(0), epoch: Epoch(0), offset };
        Self { position, sequence: DETACHED }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        debug_assert!(
            self.sequence == DETACHED || std::thread::panicking(),
            "a pending part of {:?} was dropped without an outcome",
            self.position
        );
    }
}

/// A record whose parts have all ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// Its offset.
    pub offset: i64,
    /// The heaviest outcome of its parts.
    pub outcome: Outcome,
    /// The timestamp that the log gave it, in ms since 1970; -1 when it had none.
    pub timestamp_ms: i64,
    /// What it had reserved of the memory budget, in bytes.
    pub reserved_bytes: u32,
}

#[derive(Debug)]
struct Slot {
    offset: i64,
    /// For the record's latency: by the time it ends, its batch may be gone.
    timestamp_ms: i64,
    reserved_bytes: u32,
    /// Parts without an outcome; 0 means finished.
    parts: u16,
    outcome: Outcome,
}

/// One per open record, and each is touched twice.
const _: () = assert!(size_of::<Slot>() == 24);

/// One per (partition, epoch). See the module's text.
#[derive(Debug)]
pub struct OffsetTracker {
    partition: PartitionId,
    epoch: Epoch,
    slots: VecDeque<Slot>,
    /// Sequence number of the first slot in the ring.
    first_sequence: u64,
    /// The next offset to read again after a restart: everything below is finished.
    committed_end: i64,
    /// One above the highest offset opened.
    read_end: i64,
    open: usize,
}

impl OffsetTracker {
    /// A tracker for records from offset `start` on.
    #[must_use]
    pub fn new(partition: PartitionId, epoch: Epoch, start: i64) -> Self {
        Self {
            partition,
            epoch,
            slots: VecDeque::new(),
            first_sequence: 0,
            committed_end: start,
            read_end: start,
            open: 0,
        }
    }

    /// Opens the slot of the next record. Gaps between offsets are skipped. `timestamp_ms` and `reserved_bytes` come
    /// back when it is closed.
    ///
    /// # Panics
    /// When `offset` is not above every offset opened before.
    pub fn open(&mut self, offset: i64, timestamp_ms: i64, reserved_bytes: u32) -> Pending {
        assert!(offset >= self.read_end, "offset {offset} was read already (read up to {})", self.read_end);
        if self.slots.is_empty() {
            self.committed_end = offset;
        }
        let sequence = self.first_sequence + self.slots.len() as u64;
        let outcome = Outcome::Filtered;
        self.slots.push_back(Slot { offset, timestamp_ms, reserved_bytes, parts: 1, outcome });
        self.read_end = offset + 1;
        self.open += 1;
        let position = Position { partition: self.partition, epoch: self.epoch, offset };
        Pending { position, sequence }
    }

    /// Notes an offset that was finished under an earlier epoch: nothing is to be done for it.
    pub fn skip(&mut self, offset: i64) {
        assert!(offset >= self.read_end, "offset {offset} was read already (read up to {})", self.read_end);
        let outcome = Outcome::Filtered;
        self.slots.push_back(Slot { offset, timestamp_ms: -1, reserved_bytes: 0, parts: 0, outcome });
        self.read_end = offset + 1;
        self.advance();
    }

    /// Splits another part off an unfinished record: it ends when all its parts have ended.
    ///
    /// # Panics
    /// When a record has more than 65,535 parts, or the duty is of another tracker.
    pub fn split(&mut self, pending: &Pending) -> Pending {
        let slot = self.slot(pending.sequence);
        assert!(slot.parts > 0, "only an unfinished record can be split");
        slot.parts = slot.parts.checked_add(1).expect("a record has at most 65,535 effects");
        Pending { position: pending.position, sequence: pending.sequence }
    }

    /// Ends one part of a record; answers the record when it was the last part.
    ///
    /// # Panics
    /// When the duty is of another tracker, or of another epoch.
    pub fn close(&mut self, pending: Pending, outcome: Outcome) -> Option<Closed> {
        let position = pending.position;
        assert!(
            position.partition == self.partition && position.epoch == self.epoch,
            "{position:?} is not tracked under {:?} of {:?}",
            self.epoch,
            self.partition
        );
        let sequence = pending.sequence;
        pending.abandon();
        let slot = self.slot(sequence);
        assert!(slot.parts > 0, "{position:?} has ended already");
        slot.outcome = slot.outcome.max(outcome);
        slot.parts -= 1;
        if slot.parts > 0 {
            return None;
        }
        let Slot { offset, timestamp_ms, reserved_bytes, outcome, .. } = *slot;
        let closed = Closed { offset, outcome, timestamp_ms, reserved_bytes };
        self.open -= 1;
        self.advance();
        Some(closed)
    }

    /// The open slot in whose place of the ring that duty's slot was, whatever epoch the duty is of (sabotage only).
    pub(crate) fn place_of(&self, pending: &Pending) -> Option<(Epoch, u64)> {
        let index = pending.sequence.checked_rem(self.slots.len() as u64)?;
        let sequence = match pending.position.epoch == self.epoch {
            true => pending.sequence,
            false => self.first_sequence + index,
        };
        let slot = self.slots.get(sequence.checked_sub(self.first_sequence)? as usize)?;
        (slot.parts > 0).then_some((self.epoch, sequence))
    }

    fn slot(&mut self, sequence: u64) -> &mut Slot {
        let index = sequence.checked_sub(self.first_sequence).expect("the slot is still in the ring");
        &mut self.slots[index as usize]
    }

    fn advance(&mut self) {
        while self.slots.front().is_some_and(|slot| slot.parts == 0) {
            self.slots.pop_front();
            self.first_sequence += 1;
        }
        self.committed_end = self.slots.front().map_or(self.read_end, |slot| slot.offset);
    }

    /// The position to commit: everything below it is finished.
    #[must_use]
    pub fn commit_position(&self) -> i64 {
        self.committed_end
    }

    /// One above the highest offset read.
    #[must_use]
    pub fn read_end(&self) -> i64 {
        self.read_end
    }

    /// Records read whose outcome is open.
    #[must_use]
    pub fn open_records(&self) -> usize {
        self.open
    }

    /// What the records read and not closed have reserved, in bytes.
    #[must_use]
    pub fn reserved_bytes(&self) -> u64 {
        self.slots.iter().filter(|slot| slot.parts > 0).map(|slot| u64::from(slot.reserved_bytes)).sum()
    }

    /// The finished stretches above the commit position and below what was read: half-open, ascending, disjoint.
    /// Offsets that are no records count with the finished record before them.
    pub fn finished_above(&self) -> impl Iterator<Item = std::ops::Range<i64>> + '_ {
        let mut index = 0;
        std::iter::from_fn(move || {
            while self.slots.get(index)?.parts > 0 {
                index += 1;
            }
            let start = self.slots.get(index)?.offset;
            while self.slots.get(index).is_some_and(|slot| slot.parts == 0) {
                index += 1;
            }
            Some(start..self.slots.get(index).map_or(self.read_end, |slot| slot.offset))
        })
    }

    /// Offsets whose outcome is open, ascending.
    pub fn open_offsets(&self) -> impl Iterator<Item = i64> + '_ {
        self.slots.iter().filter(|slot| slot.parts > 0).map(|slot| slot.offset)
    }
}

#[cfg(test)]
mod tests;
