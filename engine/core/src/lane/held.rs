//! The keys of a lane that wait, and what waits behind them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::table::Table;

use crate::flight::{Item, Queued, Tries};
use crate::position::PartitionId;
use crate::sink::Domain;
use crate::tracker::Pending;

/// An effect that has left the queue and owns its bytes.
#[derive(Debug)]
pub(super) struct OwnedItem {
    pub(super) pending: Pending,
    pub(super) key_hash: u64,
    pub(super) domain: Domain,
    pub(super) effect: Box<[u8]>,
    pub(super) tries: Tries,
    pub(super) queued: Queued,
    /// It is the head of a held key and may leave although the key is held.
    pub(super) head: bool,
}

impl OwnedItem {
    pub(super) fn new(item: Item, bytes: &[u8]) -> Self {
        let Item { pending, key_hash, domain, tries, queued, head, .. } = item;
        Self { pending, key_hash, domain, effect: bytes.into(), tries, queued, head }
    }
}

/// Why a key is held. With none of these it only waits for the flight, which has an older effect of its domain.
#[derive(Debug, Default)]
pub(super) struct HeldKey {
    /// Dead letters of the key that are not acknowledged yet.
    pub(super) dead_letters: u32,
    /// Uptime at which its head may be tried again: the key is parked.
    pub(super) due_ms: Option<u64>,
    /// Its head is out (or about to leave) on its own.
    pub(super) head_is_out: bool,
    /// Uptime since which it has been parked, or has waited for a dead letter, without a break.
    pub(super) parked_since_ms: Option<u64>,
    pub(super) items: VecDeque<OwnedItem>,
    /// The partition whose reading it stops, once it holds too much.
    pub(super) congests: Option<PartitionId>,
}

impl HeldKey {
    fn may_go(&self) -> bool {
        self.dead_letters == 0 && self.due_ms.is_none() && !self.head_is_out
    }

    fn is_parked(&self) -> bool {
        self.due_ms.is_some() || self.head_is_out
    }
}

/// All held keys of a lane.
#[derive(Debug, Default)]
pub(super) struct HeldKeys {
    keys: Table<u64, HeldKey>,
    /// When parked keys are due; entries that no longer match their key are passed over.
    due: BinaryHeap<Reverse<(u64, u64)>>,
}

impl HeldKeys {
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn contains(&self, key_hash: u64) -> bool {
        self.keys.contains_key(&key_hash)
    }

    /// The key's entry, made when there is none.
    pub(super) fn hold(&mut self, key_hash: u64) -> &mut HeldKey {
        self.keys.entry(key_hash).or_default()
    }

    pub(super) fn get_mut(&mut self, key_hash: u64) -> Option<&mut HeldKey> {
        self.keys.get_mut(&key_hash)
    }

    /// Parks the key from now until `due_ms` with this effect as its head.
    pub(super) fn park(&mut self, mut item: OwnedItem, due_ms: u64, uptime_ms: u64) {
        let key_hash = item.key_hash;
        item.head = false;
        let held = self.hold(key_hash);
        held.parked_since_ms.get_or_insert(uptime_ms);
        held.head_is_out = false;
        // The earliest of several parked effects of one key is pushed last and decides.
        held.due_ms = Some(due_ms);
        held.items.push_front(item);
        self.due.push(Reverse((due_ms, key_hash)));
    }

    /// The heads of keys whose retry is due by now, marked to leave alone.
    pub(super) fn take_due(&mut self, uptime_ms: u64, into: &mut Vec<OwnedItem>) {
        while let Some(Reverse((due_ms, key_hash))) =
            self.due.peek().copied().filter(|due| due.0.0 <= uptime_ms)
        {
            self.due.pop();
            let Some(held) = self.keys.get_mut(&key_hash).filter(|held| held.due_ms == Some(due_ms)) else {
                continue;
            };
            if held.dead_letters > 0 {
                continue;
            }
            let Some(mut head) = held.items.pop_front() else { continue };
            held.due_ms = None;
            held.head_is_out = true;
            head.head = true;
            into.push(head);
        }
    }

    /// A dead letter of the key is acknowledged (or its epoch has ended).
    pub(super) fn dead_letter_ended(&mut self, key_hash: u64) {
        let Some(held) = self.keys.get_mut(&key_hash) else { return };
        held.dead_letters = held.dead_letters.saturating_sub(1);
        if let (0, Some(due_ms)) = (held.dead_letters, held.due_ms) {
            self.due.push(Reverse((due_ms, key_hash)));
        }
    }

    /// Lets the key go if nothing holds it any more: what waited behind it, in order.
    pub(super) fn release(&mut self, key_hash: u64) -> Option<HeldKey> {
        self.keys.get(&key_hash).filter(|held| held.may_go())?;
        self.keys.remove(&key_hash)
    }

    /// When the next parked key is due.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.due.peek().map(|due| due.0.0)
    }

    /// How many keys are parked.
    pub(super) fn parked(&self) -> usize {
        self.keys.values().filter(|held| held.is_parked() || held.dead_letters > 0).count()
    }

    /// Since when the longest parked of them is.
    pub(super) fn parked_since_ms(&self) -> Option<u64> {
        self.keys.values().filter_map(|held| held.parked_since_ms).min()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &HeldKey)> {
        self.keys.iter().map(|(key, held)| (*key, held))
    }

    /// Gives up what `ended` names; answers the keys that were touched.
    pub(super) fn purge(&mut self, ended: impl Fn(&Pending) -> bool) -> Vec<u64> {
        let mut touched = Vec::new();
        for (key_hash, held) in &mut self.keys {
            let before = held.items.len();
            for item in std::mem::take(&mut held.items) {
                if ended(&item.pending) {
                    item.pending.abandon();
                } else {
                    held.items.push_back(item);
                }
            }
            if held.items.len() < before {
                if held.items.is_empty() {
                    held.due_ms = None;
                }
                touched.push(*key_hash);
            }
        }
        touched
    }
}
