//! The documents a stand-in holds, with Elasticsearch's rules about versions.

use std::collections::HashMap;
use std::hash::BuildHasher as _;

use bytes::Bytes;

use super::Keep;
use crate::bulk_request::Operation;

/// A write to one document.
#[derive(Debug)]
pub(super) struct Write<'a> {
    pub(super) operation: Operation,
    pub(super) id: &'a str,
    /// The version, when the client gives it (`version_type=external` or `external_gte`).
    pub(super) external: Option<u64>,
    /// Whether the same version again is accepted.
    pub(super) or_equal: bool,
    pub(super) source: Bytes,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// A new document has this version.
    Created(u64),
    /// An existing one has this version now.
    Updated(u64),
    /// It is gone, and leaves this version.
    Deleted(u64),
    /// There was nothing to delete, which leaves this version.
    NotFound(u64),
    /// Refused: the document has this version.
    Conflict(u64),
}

/// A document, or what a deleted one leaves (no source).
#[derive(Debug, Clone)]
struct Held {
    version: u64,
    source: Option<Bytes>,
}

/// The documents of one index.
#[derive(Debug)]
pub(super) struct Documents {
    hasher: foldhash::fast::RandomState,
    parts: Vec<Part>,
}

type Part = HashMap<Box<str>, Held, foldhash::fast::RandomState>;

/// A table grows all at once. One of a million documents answers nothing for half a second meanwhile, which is then taken
/// for the latency of who waits for the answer; one of a thousandth as many for half a millisecond.
const PARTS: usize = 1_024;

impl Default for Documents {
    fn default() -> Self {
        let hasher = foldhash::fast::RandomState::default();
        Self { parts: vec![Part::with_hasher(hasher.clone()); PARTS], hasher }
    }
}

impl Documents {
    fn part(&self, id: &str) -> usize {
        // Tables use the hash's other end.
        (self.hasher.hash_one(id) >> 16) as usize % PARTS
    }

    /// Applies a write.
    pub(super) fn write(&mut self, write: Write<'_>, keep: Keep) -> Written {
        let first = write.external.unwrap_or(1);
        if keep == Keep::Nothing {
            return if write.operation == Operation::Delete {
                Written::Deleted(first)
            } else {
                Written::Created(first)
            };
        }
        let deletes = write.operation == Operation::Delete;
        let kept = |source: Bytes| if keep == Keep::Documents { source } else { Bytes::new() };
        let part = self.part(write.id);
        let part = &mut self.parts[part];
        let Some(held) = part.get_mut(write.id) else {
            let source = (!deletes).then(|| kept(write.source));
            part.insert(write.id.into(), Held { version: first, source });
            return if deletes { Written::NotFound(first) } else { Written::Created(first) };
        };
        let is_there = held.source.is_some();
        let stale = match write.external {
            Some(version) if write.or_equal => version < held.version,
            Some(version) => version <= held.version,
            None => false,
        };
        if stale || (is_there && write.operation == Operation::Create) {
            return Written::Conflict(held.version);
        }
        held.version = write.external.unwrap_or(held.version + 1);
        held.source = (!deletes).then(|| kept(write.source));
        match (deletes, is_there) {
            (true, true) => Written::Deleted(held.version),
            (true, false) => Written::NotFound(held.version),
            (false, true) => Written::Updated(held.version),
            (false, false) => Written::Created(held.version),
        }
    }

    /// Version and source of a document that is there.
    pub(super) fn get(&self, id: &str) -> Option<(u64, &Bytes)> {
        let held = self.parts[self.part(id)].get(id)?;
        // Without kept bodies there is nothing to show.
        held.source.as_ref().filter(|source| !source.is_empty()).map(|source| (held.version, source))
    }

    /// How many are there.
    pub(super) fn count(&self) -> usize {
        self.parts.iter().flat_map(HashMap::values).filter(|held| held.source.is_some()).count()
    }

    /// Id, version and source of all that are there.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, u64, &Bytes)> {
        self.parts
            .iter()
            .flatten()
            .filter_map(|(id, held)| Some((id.as_ref(), held.version, held.source.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(operation: Operation, external: Option<u64>) -> Write<'static> {
        Write { operation, id: "a", external, or_equal: false, source: Bytes::from_static(b"{}") }
    }

    /// The very answers that Elasticsearch 8.19 gave to these writes.
    #[test]
    fn external_versions_only_rise_also_over_a_delete() {
        let mut documents = Documents::default();
        let mut index = |version| documents.write(write(Operation::Index, Some(version)), Keep::Documents);
        assert_eq!(index(5), Written::Created(5));
        assert_eq!(index(5), Written::Conflict(5));
        assert_eq!(index(4), Written::Conflict(5));
        assert_eq!(index(6), Written::Updated(6));
        assert_eq!(documents.write(write(Operation::Delete, Some(8)), Keep::Documents), Written::Deleted(8));
        assert_eq!(documents.get("a"), None);
        assert_eq!(documents.write(write(Operation::Index, Some(7)), Keep::Documents), Written::Conflict(8));
        assert_eq!(documents.write(write(Operation::Index, Some(9)), Keep::Documents), Written::Created(9));
        assert_eq!(documents.count(), 1);
    }

    #[test]
    fn versions_of_its_own_count_up_and_create_refuses_what_is_there() {
        let mut documents = Documents::default();
        assert_eq!(documents.write(write(Operation::Delete, None), Keep::Versions), Written::NotFound(1));
        assert_eq!(documents.write(write(Operation::Create, None), Keep::Versions), Written::Created(2));
        assert_eq!(documents.write(write(Operation::Create, None), Keep::Versions), Written::Conflict(2));
        assert_eq!(documents.write(write(Operation::Index, None), Keep::Versions), Written::Updated(3));
    }
}
