//! The bases a lane remembers: documents as it wrote them, to merge the next change onto without reading them again.

use thalweg_core::position::{Epoch, PartitionId, Position};
use thalweg_core::sink::Domain;

use super::rules::{Rule, Rules};

/// A document may take at most this part of the memory: a few large ones must not push out all others.
const SHARE_MAX: usize = 8;

/// Places of a set: as many as fit into a line of the processor's caches.
const WAYS: usize = 4;

/// The index has a set for every so many bytes of the ring. A usual document with its id takes 350 bytes: then one in a
/// hundred loses its place before the ring runs over it, because more than four of its set were written since.
const BYTES_PER_SET: usize = 512;

/// What stands before a document in the ring, see [`Header::encode`].
const HEADER_BYTES: usize = 24;

/// A document as it stood after an acknowledged write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Base<'b> {
    pub(super) version: u64,
    /// Whether it is a tombstone; then there is no source.
    pub(super) removed: bool,
    pub(super) source: &'b [u8],
}

/// One per lane. A ring of bytes, filled in order of writing: what is pushed out is what was written longest ago. Beside
/// it a set-associative index by document, whose places need no cleaning: one that points behind the ring is free. Both
/// are of fixed size; there is no allocation per document.
///
/// A base counts only for effects of the partition and epoch under which it was written: under another epoch somebody
/// else may have written in between.
#[derive(Debug)]
pub(super) struct Bases {
    ring: Vec<u8>,
    bytes_max: usize,
    /// Where the next document goes; counts on over rounds of the ring.
    head: u64,
    /// A power of two of them, made with the first document.
    sets: Vec<Set>,
}

/// One line of the processor's caches, so that a lookup waits for memory once.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Set([Place; WAYS]);

/// Where the last document of a domain begins, counted like [`Bases::head`].
#[derive(Debug, Clone, Copy)]
struct Place {
    domain: Domain,
    start: u64,
}

/// A place that was never taken, or was given up: every ring is past it.
const FREE: Place = Place { domain: Domain(0), start: 0 };

impl Set {
    fn find(&mut self, domain: Domain) -> Option<&mut Place> {
        self.0.iter_mut().find(|place| place.domain == domain && place.start != FREE.start)
    }
}

/// What is known of a document in the ring beside its bytes.
struct Header {
    version: u64,
    partition: PartitionId,
    epoch: Epoch,
    id_len: u32,
    /// `None`: it is a tombstone.
    source_len: Option<u32>,
}

impl Header {
    /// Little-endian: version (8), partition (4), epoch (4), length of the id (4), length of the source (4, all ones for
    /// a tombstone).
    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&self.version.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.partition.0.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.epoch.0.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.id_len.to_le_bytes());
        bytes[20..].copy_from_slice(&self.source_len.unwrap_or(u32::MAX).to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Self {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let source_len = word(20);
        Self {
            version: u64::from(word(4)) << 32 | u64::from(word(0)),
            partition: PartitionId(word(8)),
            epoch: Epoch(word(12)),
            id_len: word(16),
            source_len: (source_len != u32::MAX).then_some(source_len),
        }
    }
}

impl Bases {
    /// What one that remembers up to `bytes_max` bytes takes at most: the ring and its index.
    pub(super) fn memory_bytes_max(bytes_max: usize) -> usize {
        bytes_max.saturating_add(sets(bytes_max).saturating_mul(size_of::<Set>()))
    }

    /// Remembers up to `bytes_max` bytes of ids and documents, the 24 bytes before each included.
    pub(super) fn new(bytes_max: usize) -> Self {
        // As if the ring had passed FREE.
        let head = 2 * bytes_max as u64;
        Self { ring: Vec::new(), bytes_max, head, sets: Vec::new() }
    }

    /// The base for an effect on that document by the record at `position`.
    pub(super) fn get<R: Rules>(
        &self,
        rules: &R,
        domain: Domain,
        id: &[u8],
        position: Position,
    ) -> Option<Base<'_>> {
        let set = self.sets.get(self.set_of(domain))?;
        let place = set.0.iter().find(|place| place.domain == domain && self.is_in_ring(**place))?;
        let (header, rest) = self.ring.get(self.offset(place.start)..)?.split_first_chunk()?;
        let Header { version, partition, epoch, id_len, source_len } = Header::decode(header);
        let (known, rest) = rest.split_at_checked(id_len as usize)?;
        let source = rest.get(..source_len.unwrap_or(0) as usize)?;
        let of_epoch = partition == position.partition && epoch == position.epoch;
        let fits = known == id && (of_epoch || !rules.keep(Rule::BaseOfEpoch));
        fits.then_some(Base { version, removed: source_len.is_none(), source })
    }

    /// Remembers what an acknowledged write left there.
    pub(super) fn put(&mut self, domain: Domain, id: &[u8], position: Position, base: &Base<'_>) {
        let len = HEADER_BYTES + id.len() + base.source.len();
        if len > self.bytes_max / SHARE_MAX {
            self.forget(domain);
            return;
        }
        let header = Header {
            version: base.version,
            partition: position.partition,
            epoch: position.epoch,
            id_len: id.len() as u32,
            source_len: (!base.removed).then_some(base.source.len() as u32),
        };
        let start = self.make_room(len);
        let offset = self.offset(start);
        if self.sets.is_empty() {
            self.ring.reserve_exact(self.bytes_max);
            self.sets = vec![Set([FREE; WAYS]); sets(self.bytes_max)];
        }
        // The first round: what is passed over at its end stays unused.
        self.ring.resize(self.ring.len().max(offset + len), 0);
        let (at, rest) = self.ring[offset..offset + len].split_at_mut(HEADER_BYTES);
        at.copy_from_slice(&header.encode());
        let (at, rest) = rest.split_at_mut(id.len());
        at.copy_from_slice(id);
        rest.copy_from_slice(base.source);
        self.point(Place { domain, start });
    }

    /// What is there now is not known.
    pub(super) fn forget(&mut self, domain: Domain) {
        let set = self.set_of(domain);
        if let Some(place) = self.sets.get_mut(set).and_then(|set| set.find(domain)) {
            *place = FREE;
        }
    }

    /// Points the domain's place there; without one, the place of the set's oldest document.
    fn point(&mut self, place: Place) {
        let index = self.set_of(place.domain);
        let set = &mut self.sets[index];
        if let Some(known) = set.find(place.domain) {
            *known = place;
        } else if let Some(oldest) = set.0.iter_mut().min_by_key(|place| place.start) {
            *oldest = place;
        }
    }

    fn set_of(&self, domain: Domain) -> usize {
        // Lanes are chosen by other bits of another hash.
        domain.0 as usize & self.sets.len().wrapping_sub(1)
    }

    /// Whether nothing was written over it since.
    fn is_in_ring(&self, place: Place) -> bool {
        self.head - place.start <= self.bytes_max as u64
    }

    fn offset(&self, start: u64) -> usize {
        (start % self.bytes_max.max(1) as u64) as usize
    }

    /// Takes the next `len` bytes in a row, whatever lies there.
    fn make_room(&mut self, len: usize) -> u64 {
        let left_in_round = self.bytes_max - self.offset(self.head);
        let start = if len <= left_in_round { self.head } else { self.head + left_in_round as u64 };
        self.head = start + len as u64;
        start
    }
}

fn sets(bytes_max: usize) -> usize {
    (bytes_max / BYTES_PER_SET).max(1).next_power_of_two()
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
    }

    #[test]
    fn what_is_too_large_is_not_kept_and_the_old_one_neither() {
        let mut bases = Bases::new(800);
        bases.put(Domain(1), b"a", at(0, 1), &base(5, b"{}"));
        assert!(bases.get(&Kept, Domain(1), b"a", at(0, 1)).is_some());
        bases.put(Domain(1), b"a", at(0, 1), &base(6, &[b' '; 76]));
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
                    4 => (0..20_u64, 0..200_usize).prop_map(|(id, len)| Step::Put(id, len)),
                    1 => (0..20_u64).prop_map(Step::Forget),
                ],
                1..300,
            ),
        ) {
            let mut bases = Bases::new(1_600);
            let mut model: HashMap<u64, (u64, Vec<u8>)> = HashMap::new();
            for (version, step) in steps.into_iter().enumerate() {
                let version = version as u64;
                match step {
                    Step::Put(id, len) => {
                        let source = vec![version as u8; len];
                        bases.put(Domain(id), id.to_string().as_bytes(), at(0, 1), &base(version, &source));
                        model.insert(id, (version, source));
                        if HEADER_BYTES + 2 + len <= 1_600 / SHARE_MAX {
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
                prop_assert!(bases.ring.len() <= 1_600);
                prop_assert!(bases.sets.len() <= 4);
            }
        }
    }
}
