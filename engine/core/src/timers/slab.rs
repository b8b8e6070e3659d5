//! Where timers lie: places that are used again, found by number.

use std::ops::{Index, IndexMut};

/// No place.
pub(super) const NONE: u32 = u32::MAX;

/// The slab grows by this part (one of so many) of itself: doubling would leave up to half of it empty.
const GROWTH_SHARE: usize = 8;

/// What is kept of a slab that has become empty.
const KEPT_ENTRIES: usize = 1_024;

/// One timer, or a free place.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) deadline_ms: i64,
    /// Neighbours in its list of the wheel. Beside the wheel: the halves of its sequence number there. Of a free place,
    /// `next` is the next free one.
    pub(super) prev: u32,
    pub(super) next: u32,
    pub(super) name: Box<[u8]>,
}

/// There may be ten millions.
const _: () = assert!(size_of::<Entry>() == 32);

impl Entry {
    pub(super) fn sequence(&self) -> u64 {
        u64::from(self.prev) << 32 | u64::from(self.next)
    }

    pub(super) fn set_sequence(&mut self, sequence: u64) {
        (self.prev, self.next) = ((sequence >> 32) as u32, sequence as u32);
    }
}

#[derive(Debug)]
pub(super) struct Slab {
    entries: Vec<Entry>,
    /// The first free place.
    free: u32,
}

impl Default for Slab {
    fn default() -> Self {
        Self { entries: Vec::new(), free: NONE }
    }
}

impl Slab {
    /// Answers the timer's place.
    pub(super) fn insert(&mut self, name: &[u8], deadline_ms: i64) -> u32 {
        let entry = Entry { deadline_ms, prev: NONE, next: NONE, name: name.into() };
        if self.free != NONE {
            let slot = self.free;
            self.free = std::mem::replace(&mut self[slot], entry).next;
            return slot;
        }
        let slot = u32::try_from(self.entries.len()).ok().filter(|slot| *slot != NONE);
        let slot = slot.expect("memory limits end before four billion timers");
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(self.entries.len() / GROWTH_SHARE + 4);
        }
        self.entries.push(entry);
        slot
    }

    /// Frees a place; answers the name and the deadline that were there.
    pub(super) fn remove(&mut self, slot: u32) -> (Box<[u8]>, i64) {
        let next = self.free;
        self.free = slot;
        let entry = &mut self[slot];
        entry.next = next;
        (std::mem::take(&mut entry.name), entry.deadline_ms)
    }

    /// All places are free: gives back what a peak has taken, if there was one.
    pub(super) fn shrink(&mut self) -> bool {
        let peak = self.entries.capacity() > KEPT_ENTRIES;
        if peak {
            *self = Self::default();
        }
        peak
    }
}

impl Index<u32> for Slab {
    type Output = Entry;

    fn index(&self, slot: u32) -> &Entry {
        &self.entries[slot as usize]
    }
}

impl IndexMut<u32> for Slab {
    fn index_mut(&mut self, slot: u32) -> &mut Entry {
        &mut self.entries[slot as usize]
    }
}
