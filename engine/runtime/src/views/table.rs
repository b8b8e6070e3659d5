//! What a view holds: the latest record of each key, in the order of keys, within a limit of bytes.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use super::item::Item;

/// What a key takes beside its bytes and its item's: its part of the tree's nodes (two thirds full), the counts of the
/// shared item, and what the allocator rounds up.
const KEY_BYTES: u64 = 128;

/// A record that was read.
#[derive(Debug)]
pub(super) struct Change<V> {
    pub(super) key: Box<str>,
    pub(super) to: To<V>,
}

/// What a record makes of its key.
#[derive(Debug)]
pub(super) enum To<V> {
    /// This is its latest.
    Item(Arc<Item<V>>),
    /// There is none any more.
    Nothing { partition: u32, timestamp_ms: i64 },
}

/// The limit does not hold what is to be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Table<V> {
    items: BTreeMap<Box<str>, Arc<Item<V>>>,
    bytes: u64,
    bytes_max: u64,
}

/// What was found by a look at some keys.
#[derive(Debug)]
pub(super) struct Found<V> {
    pub(super) items: Vec<Arc<Item<V>>>,
    /// The last key that was looked at; `None`: there are no more.
    pub(super) next: Option<Box<str>>,
}

impl<V> Table<V> {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { items: BTreeMap::new(), bytes: 0, bytes_max }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// What it takes of the memory.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn get(&self, key: &str) -> Option<Arc<Item<V>>> {
        self.items.get(key).cloned()
    }

    /// Takes a record in.
    pub(super) fn apply(&mut self, Change { key, to }: Change<V>) -> Result<(), Full> {
        let (partition, timestamp_ms) = match &to {
            To::Item(item) => (item.partition, item.timestamp_ms),
            To::Nothing { partition, timestamp_ms } => (*partition, *timestamp_ms),
        };
        // The log's order decides within a partition.
        let is_older =
            |before: &Arc<Item<V>>| before.partition != partition && before.timestamp_ms > timestamp_ms;
        if self.items.get(&key).is_some_and(is_older) {
            return Ok(());
        }
        match to {
            To::Nothing { .. } => {
                if let Some(before) = self.items.remove(&key) {
                    self.bytes -= size_bytes(key.len(), &before);
                }
            }
            To::Item(item) => {
                let key_bytes = key.len();
                self.bytes += size_bytes(key_bytes, &item);
                let before = self.items.insert(key, item);
                self.bytes -= before.map_or(0, |before| size_bytes(key_bytes, &before));
                if self.bytes > self.bytes_max {
                    return Err(Full);
                }
            }
        }
        Ok(())
    }

    /// Those behind `after` that are wanted, in the order of keys: until there are `items_max` of them, or of more than
    /// `bytes_max` bytes together, or `looks_max` keys were looked at.
    pub(super) fn scan(
        &self,
        after: Option<&str>,
        (items_max, bytes_max, looks_max): (usize, usize, usize),
        wanted: impl Fn(&str, &V) -> bool,
    ) -> Found<V> {
        let begin = after.map_or(Unbounded, Excluded);
        let mut rest = self.items.range::<str, _>((begin, Unbounded));
        let (mut items, mut bytes, mut last) = (Vec::new(), 0, None);
        for (key, item) in rest.by_ref().take(looks_max) {
            last = Some(key);
            if wanted(key, &item.value) {
                bytes += item.bytes.len();
                items.push(Arc::clone(item));
            }
            if items.len() >= items_max || bytes > bytes_max {
                break;
            }
        }
        let next = rest.next().and(last).cloned();
        Found { items, next }
    }
}

/// What was decoded is taken to hold as many bytes beside its own size as it was decoded from.
fn size_bytes<V>(key_bytes: usize, item: &Item<V>) -> u64 {
    let decoded = if size_of::<V>() == 0 { 0 } else { item.bytes.len() };
    KEY_BYTES + (key_bytes + item.bytes.len() + decoded + size_of::<Item<V>>()) as u64
}

#[cfg(test)]
mod tests;
