//! Timers of one partition: absolute deadlines by (key, id), taken out in the order of their deadlines.
//!
//! A hierarchical wheel ([`wheel`]) over a slab: setting and cancelling cost the same however many are pending. What is
//! set below the wheel's place (a deadline that has passed already, or a clock that was set back) waits in an ordered
//! list beside it, so that every answer is exact whatever times are asked for: nothing is due before its deadline, and
//! nothing is left behind when time jumps.
//!
//! Which clock the times are of is the caller's business. A timer is known by its [`TimerName`], the bytes by which a
//! changelog knows it too.

mod name;
mod slab;
mod wheel;

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use crate::shards::Shards;
pub use name::{TimerName, TimerRef};
use slab::{Entry, Slab};
use wheel::{Wheel, place_of};

/// What a timer takes beside the bytes of its name: its entry (32), the slab's reserve (4), its place in the index (up
/// to 12), and what an allocator rounds the name up by (up to 16).
pub const TIMER_BYTES: usize = 64;

/// See the module's text.
#[derive(Debug, Default)]
pub struct Timers {
    slab: Slab,
    /// Where in the slab a name is.
    index: Shards<u32>,
    /// Those from its place on.
    wheel: Wheel,
    /// Those below the wheel's place, by deadline and then in the order they were set.
    behind: BTreeMap<(i64, u64), u32>,
    /// Counts what is put into `behind`.
    sequence: u64,
    names_bytes: usize,
    /// The name that is being looked for.
    wanted: Vec<u8>,
}

/// A timer that was due, taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueTimer {
    /// Which one.
    pub name: TimerName,
    /// Its deadline, in ms.
    pub deadline_ms: i64,
}

impl Timers {
    /// Sets a timer, or gives it another deadline. Answers the deadline it had.
    pub fn set(&mut self, key: &[u8], id: &[u8], deadline_ms: i64) -> Option<i64> {
        self.with_wanted(TimerRef { key, id }, |timers, name| timers.set_named(name, deadline_ms))
    }

    /// Takes a timer out. Answers the deadline it had.
    pub fn cancel(&mut self, key: &[u8], id: &[u8]) -> Option<i64> {
        self.with_wanted(TimerRef { key, id }, Self::cancel_named)
    }

    /// The deadline of a timer, if it is pending.
    #[must_use]
    pub fn deadline_ms(&self, timer: TimerRef<'_>) -> Option<i64> {
        let mut name = Vec::with_capacity(timer.name_len());
        timer.write_name(&mut name);
        self.deadline_of_named(&name)
    }

    /// Takes out the timer that is due first: its deadline is the lowest there is, and not above `now_ms`. Of equal
    /// deadlines, the one that was set first.
    pub fn pop_due(&mut self, now_ms: i64) -> Option<DueTimer> {
        let slot = match self.behind.first_entry() {
            // All in the wheel are later.
            Some(first) if first.key().0 > now_ms => return None,
            Some(first) => first.remove(),
            None => {
                let slot = self.wheel.front(&mut self.slab, place_of(now_ms))?;
                self.wheel.unlink(&mut self.slab, slot);
                slot
            }
        };
        let hash = xxh3_64(&self.slab[slot].name);
        let found = self.index.remove(hash, |found| *found == slot);
        assert_eq!(found, Some(slot), "the index holds every timer of the slab");
        Some(self.forget(slot))
    }

    /// When to ask [`Timers::pop_due`] again: not after the lowest deadline, and maybe before it, a few times at most
    /// until it is reached. Once nothing is due at a time, this lies above that time.
    #[must_use]
    pub fn next_wake_ms(&self) -> Option<i64> {
        let behind = self.behind.first_key_value().map(|((deadline_ms, _), _)| *deadline_ms);
        behind.or_else(|| self.wheel.next_wake_ms())
    }

    /// How many are pending.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether none is pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// What the pending timers take, in bytes, by count and names.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.names_bytes + self.len() * TIMER_BYTES
    }

    /// Every pending timer with its deadline, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], i64)> {
        self.index.iter().map(|slot| {
            let Entry { name, deadline_ms, .. } = &self.slab[*slot];
            (&**name, *deadline_ms)
        })
    }

    /// The pending timers of one part of the index (see [`Shards`]), in no order.
    pub(crate) fn part(&self, part: usize) -> impl Iterator<Item = (&[u8], i64)> {
        self.index.part(part).map(|slot| {
            let Entry { name, deadline_ms, .. } = &self.slab[*slot];
            (&**name, *deadline_ms)
        })
    }

    /// [`Timers::set`] by the bytes of a name, which are taken as they are.
    pub(crate) fn set_named(&mut self, name: &[u8], deadline_ms: i64) -> Option<i64> {
        let hash = xxh3_64(name);
        let found = self.index.find(hash, |slot| *self.slab[*slot].name == *name).copied();
        if let Some(slot) = found {
            self.unlink(slot);
            let before_ms = std::mem::replace(&mut self.slab[slot].deadline_ms, deadline_ms);
            self.link(slot);
            return Some(before_ms);
        }
        let slot = self.slab.insert(name, deadline_ms);
        self.index.insert(hash, slot, |slot| xxh3_64(&self.slab[*slot].name));
        self.names_bytes += name.len();
        self.link(slot);
        None
    }

    /// [`Timers::cancel`] by the bytes of a name.
    pub(crate) fn cancel_named(&mut self, name: &[u8]) -> Option<i64> {
        let slot = self.index.remove(xxh3_64(name), |slot| *self.slab[*slot].name == *name)?;
        self.unlink(slot);
        Some(self.forget(slot).deadline_ms)
    }

    /// [`Timers::deadline_ms`] by the bytes of a name.
    pub(crate) fn deadline_of_named(&self, name: &[u8]) -> Option<i64> {
        let slot = self.index.find(xxh3_64(name), |slot| *self.slab[*slot].name == *name)?;
        Some(self.slab[*slot].deadline_ms)
    }

    fn with_wanted<R>(&mut self, timer: TimerRef<'_>, then: impl FnOnce(&mut Self, &[u8]) -> R) -> R {
        let mut name = std::mem::take(&mut self.wanted);
        name.clear();
        timer.write_name(&mut name);
        let result = then(self, &name);
        self.wanted = name;
        result
    }

    fn link(&mut self, slot: u32) {
        let deadline_ms = self.slab[slot].deadline_ms;
        if place_of(deadline_ms) >= self.wheel.place() {
            self.wheel.push(&mut self.slab, slot);
            return;
        }
        self.sequence += 1;
        self.slab[slot].set_sequence(self.sequence);
        self.behind.insert((deadline_ms, self.sequence), slot);
    }

    fn unlink(&mut self, slot: u32) {
        let entry = &self.slab[slot];
        if place_of(entry.deadline_ms) >= self.wheel.place() {
            self.wheel.unlink(&mut self.slab, slot);
        } else {
            let before = self.behind.remove(&(entry.deadline_ms, entry.sequence()));
            assert_eq!(before, Some(slot), "what lies below the wheel's place is in the list beside it");
        }
    }

    /// Gives up the slot of a timer that is in no list any more.
    fn forget(&mut self, slot: u32) -> DueTimer {
        let (name, deadline_ms) = self.slab.remove(slot);
        self.names_bytes -= name.len();
        if self.index.is_empty() && self.slab.shrink() {
            self.index = Shards::default();
        }
        DueTimer { name: TimerName::new(name), deadline_ms }
    }
}

#[cfg(test)]
mod tests;
