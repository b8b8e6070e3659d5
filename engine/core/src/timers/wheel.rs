//! A hierarchical wheel: lists of timers by deadline, exact to the millisecond for the nearest, coarser the farther away.
//!
//! Time is counted in places: deadlines, shifted so that the lowest is 0. A timer lies on the level of the highest digit
//! (to the base 64) in which its place differs from the wheel's, in the slot of that digit. So all of a lower level come
//! before all of a higher one, and the slots of a level stand in order. When the wheel reaches a slot of a higher level,
//! the timers in it move down, each at least one level; their order in the list is kept, so that equal deadlines stay
//! in the order they were set.

use crate::timers::slab::{NONE, Slab};

/// Bits of a digit: 64 slots a level, and one word that says which are occupied.
const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;

/// The place of a deadline.
pub(super) fn place_of(deadline_ms: i64) -> u64 {
    deadline_ms.cast_unsigned() ^ (1 << 63)
}

fn deadline_at(place: u64) -> i64 {
    (place ^ (1 << 63)).cast_signed()
}

#[derive(Debug, Clone, Copy)]
struct List {
    head: u32,
    tail: u32,
}

const EMPTY: List = List { head: NONE, tail: NONE };

#[derive(Debug)]
struct Level {
    /// A bit for each slot that is not empty.
    occupied: u64,
    slots: [List; SLOTS],
}

#[derive(Debug, Default)]
pub(super) struct Wheel {
    /// Every timer in it has this place or a higher one.
    place: u64,
    /// As many as were needed so far, at most 11: half a KB each.
    levels: Vec<Level>,
}

impl Wheel {
    pub(super) fn place(&self) -> u64 {
        self.place
    }

    /// Level and slot of a place that is not below the wheel's.
    fn home_of(&self, place: u64) -> (usize, usize) {
        let differing = self.place ^ place;
        let level = differing.checked_ilog2().unwrap_or(0) / DIGIT_BITS;
        let digit = place >> (level * DIGIT_BITS) & (SLOTS as u64 - 1);
        (level as usize, digit as usize)
    }

    /// The first slot that is not empty: its level, its number, and the lowest place it can hold.
    fn first(&self) -> Option<(usize, usize, u64)> {
        let (level, occupied) = self
            .levels
            .iter()
            .map(|level| level.occupied)
            .enumerate()
            .find(|(_, occupied)| *occupied != 0)?;
        let slot = occupied.trailing_zeros();
        let shift = level as u32 * DIGIT_BITS;
        // The digits above are the wheel's, those below are 0.
        let above = self.place.checked_shr(shift + DIGIT_BITS).unwrap_or(0);
        let above = above.checked_shl(shift + DIGIT_BITS).unwrap_or(0);
        Some((level, slot as usize, above | u64::from(slot) << shift))
    }

    /// See [`super::Timers::next_wake_ms`].
    pub(super) fn next_wake_ms(&self) -> Option<i64> {
        self.first().map(|(_, _, place)| deadline_at(place))
    }

    /// The timer with the lowest place, if that is not above `until`; it stays in. The wheel moves on to that place, or
    /// to `until` when there is none.
    pub(super) fn front(&mut self, slab: &mut Slab, until: u64) -> Option<u32> {
        while let Some((level, slot, start)) = self.first().filter(|(_, _, start)| *start <= until) {
            if level == 0 {
                self.place = start;
                return Some(self.levels[level].slots[slot].head);
            }
            self.move_down(slab, level, slot, until);
        }
        // Nothing lies at or below `until`, so every timer keeps its level and slot.
        self.place = self.place.max(until);
        None
    }

    /// The wheel has reached the first slot that is not empty.
    fn move_down(&mut self, slab: &mut Slab, level: usize, slot: usize, until: u64) {
        let list = std::mem::replace(&mut self.levels[level].slots[slot], EMPTY);
        self.levels[level].occupied &= !(1 << slot);
        let (mut lowest, mut next) = (u64::MAX, list.head);
        while next != NONE {
            lowest = lowest.min(place_of(slab[next].deadline_ms));
            next = slab[next].next;
        }
        // As far as can be: then most of them skip the levels between.
        self.place = lowest.min(until);
        let mut next = list.head;
        while next != NONE {
            let moved = next;
            next = slab[moved].next;
            self.push(slab, moved);
        }
    }

    /// Puts a timer at the end of its list. Its place must not be below the wheel's.
    pub(super) fn push(&mut self, slab: &mut Slab, slot: u32) {
        let (level, digit) = self.home_of(place_of(slab[slot].deadline_ms));
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, || Level { occupied: 0, slots: [EMPTY; SLOTS] });
        }
        let Level { occupied, slots } = &mut self.levels[level];
        let list = &mut slots[digit];
        *occupied |= 1 << digit;
        (slab[slot].prev, slab[slot].next) = (list.tail, NONE);
        match list.tail {
            NONE => list.head = slot,
            tail => slab[tail].next = slot,
        }
        list.tail = slot;
    }

    /// Takes a timer that is in it out of its list.
    pub(super) fn unlink(&mut self, slab: &mut Slab, slot: u32) {
        let (level, digit) = self.home_of(place_of(slab[slot].deadline_ms));
        let Level { occupied, slots } = &mut self.levels[level];
        let list = &mut slots[digit];
        let (prev, next) = (slab[slot].prev, slab[slot].next);
        match prev {
            NONE => list.head = next,
            prev => slab[prev].next = next,
        }
        match next {
            NONE => list.tail = prev,
            next => slab[next].prev = prev,
        }
        if list.head == NONE {
            *occupied &= !(1 << digit);
        }
    }
}
