//! The bases a lane remembers: documents as it wrote them, to merge the next change onto without reading them again.

use std::collections::VecDeque;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use thalweg_core::position::{Epoch, PartitionId, Position};
use thalweg_core::sink::Domain;

use super::rules::{Rule, Rules};

/// A document may take at most this part of the memory: a few large ones must not push out all others.
const SHARE_MAX: usize = 8;

/// A document as it stood after an acknowledged write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Base<'b> {
    pub(super) version: u64,
    /// Whether it is a tombstone; then there is no source.
    pub(super) removed: bool,
    pub(super) source: &'b [u8],
}

/// One per lane. A ring of bytes, filled in order of writing, and an index by document: what is pushed out is what was
/// written longest ago. No allocation per document once it is full.
///
/// A base counts only for effects of the partition and epoch under which it was written: under another epoch somebody
/// else may have written in between.
#[derive(Debug)]
pub(super) struct Bases {
    ring: Vec<u8>,
    bytes_max: usize,
    /// Where the next document goes; counts on over rounds of the ring.
    head: u64,
    /// Start and domain of every document in the ring, oldest first; also of those replaced or forgotten since.
    written: VecDeque<(u64, Domain)>,
    index: HashTable<Slot>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    domain: Domain,
    start: u64,
    id_len: u32,
    source_len: u32,
    version: u64,
    partition: PartitionId,
    epoch: Epoch,
    removed: bool,
}

impl Bases {
    /// What one that remembers up to `bytes_max` bytes takes at most when documents are of 300 bytes and more: an entry
    /// of the index and of the ring's list are together about 150 bytes after both have last doubled.
    pub(super) fn memory_bytes_max(bytes_max: usize) -> usize {
        bytes_max.saturating_add(bytes_max / 2)
    }

    /// Remembers up to `bytes_max` bytes of ids and documents, and what [`Bases::memory_bytes_max`] says beside them.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { ring: Vec::new(), bytes_max, head: 0, written: VecDeque::new(), index: HashTable::new() }
    }

    /// The base for an effect on that document by the record at `position`.
    pub(super) fn get<R: Rules>(
        &self,
        rules: &R,
        domain: Domain,
        id: &[u8],
        position: Position,
    ) -> Option<Base<'_>> {
        let slot = self.index.find(domain.0, |slot| slot.domain == domain)?;
        let start = self.place(slot.start);
        let (known, rest) = self.ring.get(start..)?.split_at_checked(slot.id_len as usize)?;
        let source = rest.get(..slot.source_len as usize)?;
        let of_epoch = slot.partition == position.partition && slot.epoch == position.epoch;
        let fits = known == id && (of_epoch || !rules.keep(Rule::BaseOfEpoch));
        fits.then_some(Base { version: slot.version, removed: slot.removed, source })
    }

    /// Remembers what an acknowledged write left there.
    pub(super) fn put(&mut self, domain: Domain, id: &[u8], position: Position, base: &Base<'_>) {
        let len = id.len() + base.source.len();
        if len > self.bytes_max / SHARE_MAX {
            self.forget(domain);
            return;
        }
        let start = self.make_room(len);
        let place = self.place(start);
        if self.ring.len() <= place {
            // The first round: what is passed over at its end stays unused.
            self.ring.resize(place, 0);
            self.ring.extend_from_slice(id);
            self.ring.extend_from_slice(base.source);
        } else {
            self.ring.resize(self.ring.len().max(place + len), 0);
            self.ring[place..place + id.len()].copy_from_slice(id);
            self.ring[place + id.len()..place + len].copy_from_slice(base.source);
        }
        self.written.push_back((start, domain));
        let slot = Slot {
            domain,
            start,
            id_len: id.len() as u32,
            source_len: base.source.len() as u32,
            version: base.version,
            partition: position.partition,
            epoch: position.epoch,
            removed: base.removed,
        };
        match self.index.entry(domain.0, |known| known.domain == domain, |known| known.domain.0) {
            Entry::Occupied(mut entry) => *entry.get_mut() = slot,
            Entry::Vacant(entry) => {
                entry.insert(slot);
            }
        }
    }

    /// What is there now is not known.
    pub(super) fn forget(&mut self, domain: Domain) {
        if let Ok(entry) = self.index.find_entry(domain.0, |slot| slot.domain == domain) {
            entry.remove();
        }
    }

    /// The epoch has ended.
    pub(super) fn forget_epoch(&mut self, partition: PartitionId, epoch: Epoch) {
        self.index.retain(|slot| slot.partition != partition || slot.epoch != epoch);
    }

    fn place(&self, start: u64) -> usize {
        (start % self.bytes_max.max(1) as u64) as usize
    }

    /// Pushes out the oldest until `len` bytes in a row are free, and takes them.
    fn make_room(&mut self, len: usize) -> u64 {
        let left_in_round = self.bytes_max - self.place(self.head);
        let start = if len <= left_in_round { self.head } else { self.head + left_in_round as u64 };
        let end = start + len as u64;
        while let Some(&(oldest, domain)) = self.written.front() {
            if oldest + self.bytes_max as u64 >= end {
                break;
            }
            self.written.pop_front();
            let still_there = |slot: &Slot| slot.domain == domain && slot.start == oldest;
            if let Ok(entry) = self.index.find_entry(domain.0, still_there) {
                entry.remove();
            }
        }
        self.head = end;
        start
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::elasticsearch::rules::Kept;

    fn at(partition: u32, epoch: u32) -> Position {
        Position { partition: PartitionId(partition), epoch: Epoch(epoch), offset: 0 }
    }

    fn base(version: u64, source: &[u8]) -> Base<'_> {
        Base { version, removed: false, source }
    }

    #[test]
    fn a_base_counts_only_for_its_document_and_epoch() {
        let mut bases = Bases::new(1_000);
        bases.put(Domain(1), b"a", at(0, 1), &base(5, b"{}"));
        assert_eq!(bases.get(&Kept, Domain(1), b"a", at(0, 1)), Some(base(5, b"{}")));
        assert_eq!(bases.get(&Kept, Domain(1), b"b", at(0, 1)), None);
        assert_eq!(bases.get(&Kept, Domain(1), b"a", at(0, 2)), None);
        assert_eq!(bases.get(&Kept, Domain(1), b"a", at(1, 1)), None);
        bases.forget_epoch(PartitionId(0), Epoch(1));
        assert_eq!(bases.get(&Kept, Domain(1), b"a", at(0, 1)), None);
    }

    #[test]
    fn what_is_too_large_is_not_kept_and_the_old_one_neither() {
        let mut bases = Bases::new(800);
        bases.put(Domain(1), b"a", at(0, 1), &base(5, b"{}"));
        bases.put(Domain(1), b"a", at(0, 1), &base(6, &[b' '; 100]));
        assert_eq!(bases.get(&Kept, Domain(1), b"a", at(0, 1)), None);
        Bases::new(0).put(Domain(1), b"a", at(0, 1), &base(5, b"{}"));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Put(u64, usize),
        Forget(u64),
    }

    proptest! {
        /// Whatever is found is what was written last; the ring stays within its bytes, the index within the ring.
        #[test]
        fn never_a_stale_or_foreign_base(
            steps in prop::collection::vec(
                prop_oneof![
                    4 => (0..20_u64, 0..60_usize).prop_map(|(id, len)| Step::Put(id, len)),
                    1 => (0..20_u64).prop_map(Step::Forget),
                ],
                1..300,
            ),
        ) {
            let mut bases = Bases::new(400);
            let mut model: HashMap<u64, (u64, Vec<u8>)> = HashMap::new();
            for (version, step) in steps.into_iter().enumerate() {
                let version = version as u64;
                match step {
                    Step::Put(id, len) => {
                        let source = vec![version as u8; len];
                        bases.put(Domain(id), id.to_string().as_bytes(), at(0, 1), &base(version, &source));
                        model.insert(id, (version, source));
                        if len + 2 < 50 {
                            prop_assert!(bases.get(&Kept, Domain(id), id.to_string().as_bytes(), at(0, 1)).is_some());
                        }
                    }
                    Step::Forget(id) => {
                        bases.forget(Domain(id));
                        model.remove(&id);
                    }
                }
                for id in 0..20 {
                    if let Some(found) = bases.get(&Kept, Domain(id), id.to_string().as_bytes(), at(0, 1)) {
                        let (version, source) = &model[&id];
                        prop_assert_eq!(found, base(*version, source));
                    }
                }
                prop_assert!(bases.ring.len() <= 400);
                prop_assert!(bases.index.len() <= bases.written.len());
            }
        }
    }
}
