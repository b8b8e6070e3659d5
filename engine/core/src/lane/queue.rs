//! The FIFO of a lane: effects that have not been looked at yet, their bytes in one buffer.

use std::collections::VecDeque;

use crate::flight::{Item, Queued, Tries, clear_warm};
use crate::sink::Domain;
use crate::tracker::Pending;

/// Effects in the order in which operators asked for them. Pushing and popping allocate nothing once warm.
#[derive(Debug, Default)]
pub(super) struct EffectQueue {
    items: VecDeque<Item>,
    bytes: Vec<u8>,
}

/// Once this much of the buffer's front is dead and that is most of it, the live rest moves to the front.
const COMPACT_BYTES: usize = 64 * 1024;

impl EffectQueue {
    pub(super) fn push(
        &mut self,
        pending: Pending,
        key_hash: u64,
        domain: Domain,
        bytes: &[u8],
        queued: Queued,
    ) {
        let start = u32::try_from(self.bytes.len()).expect("the memory budget is below 4 GiB");
        self.bytes.extend_from_slice(bytes);
        let (len, tries) = (bytes.len() as u32, Tries::default());
        self.items.push_back(Item { pending, key_hash, domain, start, len, tries, queued, head: false });
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The next effect's key and domain.
    pub(super) fn front(&self) -> Option<(u64, Domain)> {
        self.items.front().map(|item| (item.key_hash, item.domain))
    }

    /// The next effect's size in bytes.
    pub(super) fn front_bytes(&self) -> Option<usize> {
        self.items.front().map(|item| item.len as usize)
    }

    /// Takes the next effect; its bytes stay valid until the next push or [`EffectQueue::tidy`].
    pub(super) fn pop(&mut self) -> Option<(Item, &[u8])> {
        let item = self.items.pop_front()?;
        let bytes = &self.bytes[item.start as usize..item.start as usize + item.len as usize];
        Some((item, bytes))
    }

    /// Whether all of it is something, and no more than that.
    pub(super) fn fits(&self, items: usize, bytes: usize) -> bool {
        !self.items.is_empty() && self.items.len() <= items && self.bytes.len() <= bytes
    }

    /// Takes all effects; their bytes come where `bytes` were, which must be empty. The list is for
    /// [`EffectQueue::give_back`].
    pub(super) fn take_all(&mut self, bytes: &mut Vec<u8>) -> VecDeque<Item> {
        assert!(bytes.is_empty(), "effects know where in the buffer they lie");
        std::mem::swap(&mut self.bytes, bytes);
        std::mem::take(&mut self.items)
    }

    /// Gives the emptied list back: it has grown to its size.
    pub(super) fn give_back(&mut self, items: VecDeque<Item>) {
        assert!(items.is_empty() && self.items.is_empty(), "nothing is queued meanwhile");
        self.items = items;
    }

    /// Gives back the space of what was popped, when that is worth the move.
    pub(super) fn tidy(&mut self) {
        let Some(front) = self.items.front() else {
            clear_warm(&mut self.bytes);
            return;
        };
        let dead = front.start as usize;
        if dead >= COMPACT_BYTES && dead * 2 >= self.bytes.len() {
            self.bytes.drain(..dead);
            for item in &mut self.items {
                item.start -= dead as u32;
            }
        }
    }

    /// Takes out every effect that `ended` names, and gives its duty up.
    pub(super) fn purge(&mut self, ended: impl Fn(&Pending) -> bool) {
        for item in std::mem::take(&mut self.items) {
            if ended(&item.pending) {
                item.pending.abandon();
            } else {
                self.items.push_back(item);
            }
        }
        self.tidy();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Item> {
        self.items.iter()
    }
}
