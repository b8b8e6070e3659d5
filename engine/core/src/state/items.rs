//! Items in the order they came in, found by name: what a run has written, or what a transaction has touched.

use std::ops::Range;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use crate::state::Content;

/// Buffers are used again, unless they have grown beyond this many items, or as many times 64 bytes.
const KEPT_ITEMS: usize = 1_024;

/// Its buffers are used again from run to run, and from transaction to transaction.
#[derive(Debug, Default)]
pub(super) struct Items {
    items: Vec<Stored>,
    /// Names and values.
    bytes: Vec<u8>,
    /// Where in `items` a name is.
    index: HashTable<u32>,
}

#[derive(Debug)]
struct Stored {
    hash: u64,
    name: Range<usize>,
    content: Option<StoredContent>,
}

#[derive(Debug)]
enum StoredContent {
    Row(Range<usize>),
    Timer(i64),
}

/// The hash of an item's name: without the byte that says what it is, so that rows need not keep that.
pub(super) fn hash_of(name: &[u8]) -> u64 {
    inner_hash_of(name.get(1..).unwrap_or_default())
}

/// The hash of an item's name, of which the first byte is taken off already.
pub(super) fn inner_hash_of(inner: &[u8]) -> u64 {
    xxh3_64(inner)
}

impl Items {
    pub(super) fn contains(&self, hash: u64, name: &[u8]) -> bool {
        self.place_of(hash, name).is_some()
    }

    /// The content that was noted for that item, if one was.
    pub(super) fn get(&self, hash: u64, name: &[u8]) -> Option<Option<Content<'_>>> {
        let stored = self.items.get(self.place_of(hash, name)?)?;
        Some(self.content(stored))
    }

    /// Notes an item that is not among them.
    pub(super) fn push(&mut self, hash: u64, name: &[u8], content: Option<Content<'_>>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        let name = start..self.bytes.len();
        let content = self.store(content);
        let place = u32::try_from(self.items.len()).expect("limits of runs and transactions are lower");
        self.items.push(Stored { hash, name, content });
        self.index.insert_unique(hash, place, |place| self.items[*place as usize].hash);
    }

    /// Notes an item, in place of what was noted for it before.
    pub(super) fn put(&mut self, hash: u64, name: &[u8], content: Option<Content<'_>>) {
        match self.place_of(hash, name) {
            Some(place) => self.items[place].content = self.store(content),
            None => self.push(hash, name, content),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Bytes of their names and values, replaced ones too.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Hash, name and content of each, in the order they came in.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &[u8], Option<Content<'_>>)> {
        self.items.iter().map(|stored| (stored.hash, &self.bytes[stored.name.clone()], self.content(stored)))
    }

    pub(super) fn clear(&mut self) {
        if self.items.capacity() > 2 * KEPT_ITEMS || self.bytes.capacity() > 64 * KEPT_ITEMS {
            *self = Self::default();
        } else if !self.items.is_empty() {
            self.items.clear();
            self.bytes.clear();
            self.index.clear();
        }
    }

    fn place_of(&self, hash: u64, name: &[u8]) -> Option<usize> {
        let is = |place: &u32| self.bytes[self.items[*place as usize].name.clone()] == *name;
        self.index.find(hash, is).map(|place| *place as usize)
    }

    fn store(&mut self, content: Option<Content<'_>>) -> Option<StoredContent> {
        content.map(|content| match content {
            Content::Row(value) => {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(value);
                StoredContent::Row(start..self.bytes.len())
            }
            Content::Timer(deadline_ms) => StoredContent::Timer(deadline_ms),
        })
    }

    fn content(&self, stored: &Stored) -> Option<Content<'_>> {
        stored.content.as_ref().map(|content| match content {
            StoredContent::Row(value) => Content::Row(&self.bytes[value.clone()]),
            StoredContent::Timer(deadline_ms) => Content::Timer(*deadline_ms),
        })
    }
}
