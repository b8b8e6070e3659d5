//! A hash table in parts. A table that grows moves all that it holds at once: of a million entries that takes 100 ms,
//! in which nothing else happens. Here one part at a time grows, and only that part is held twice meanwhile.

use hashbrown::HashTable;

/// By that measure, a part of ten million entries grows in about 20 ms. Empty ones take 2 KB together.
pub(crate) const PARTS: usize = 64;

/// Entries by hashes that the caller brings.
#[derive(Debug)]
pub(crate) struct Shards<T> {
    parts: Box<[HashTable<T>]>,
    len: usize,
}

impl<T> Default for Shards<T> {
    fn default() -> Self {
        Self { parts: std::iter::repeat_with(HashTable::new).take(PARTS).collect(), len: 0 }
    }
}

/// By bits that a part does not go by: it uses the highest seven, and as many of the lowest as it is large.
fn part_of(hash: u64) -> usize {
    (hash >> 48) as usize % PARTS
}

impl<T> Shards<T> {
    pub(crate) fn find(&self, hash: u64, is: impl FnMut(&T) -> bool) -> Option<&T> {
        self.parts[part_of(hash)].find(hash, is)
    }

    pub(crate) fn find_mut(&mut self, hash: u64, is: impl FnMut(&T) -> bool) -> Option<&mut T> {
        self.parts[part_of(hash)].find_mut(hash, is)
    }

    /// Adds an entry that is not in it; `hash_of` tells the hash of any entry.
    pub(crate) fn insert(&mut self, hash: u64, entry: T, hash_of: impl Fn(&T) -> u64) {
        self.parts[part_of(hash)].insert_unique(hash, entry, hash_of);
        self.len += 1;
    }

    pub(crate) fn remove(&mut self, hash: u64, is: impl FnMut(&T) -> bool) -> Option<T> {
        let entry = self.parts[part_of(hash)].find_entry(hash, is).ok()?;
        self.len -= 1;
        Some(entry.remove().0)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Entries in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.parts.iter().flatten()
    }

    /// Entries of one part, in no order. An entry stays in its part as long as it is in the table.
    pub(crate) fn part(&self, part: usize) -> impl Iterator<Item = &T> {
        self.parts.get(part).into_iter().flatten()
    }

    /// Entries there is room for.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.parts.iter().map(HashTable::capacity).sum()
    }
}
