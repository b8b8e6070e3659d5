//! The documents with their versions: what gets and writes see at once, whatever searches see yet.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use super::refusal::Refusal;

/// The primary term of all writes: this index never fails over.
pub(super) const PRIMARY_TERM: u64 = 1;

/// What a document takes beside its id and its source: two table entries, the shared head, two allocations.
const OVERHEAD_BYTES: u64 = 200;

/// A document as it is stored.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) id: Box<str>,
    /// As given by who wrote it.
    pub(super) version: i64,
    /// Which of the index's changes wrote it.
    pub(super) seq_no: u64,
    /// As it was written, byte by byte.
    pub(super) source: Box<str>,
}

impl Stored {
    fn bytes(&self) -> u64 {
        (self.id.len() + self.source.len()) as u64 + OVERHEAD_BYTES
    }
}

struct ById(Arc<Stored>);

impl Borrow<str> for ById {
    fn borrow(&self) -> &str {
        &self.0.id
    }
}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for ById {}

/// What a write asks about the document that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    None,
    /// Is older than this version.
    OlderThan(i64),
    /// Is just this one: sequence number and primary term.
    Is(u64, u64),
    /// Is not there.
    Absent,
}

/// A change that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) version: i64,
    pub(super) seq_no: u64,
    /// The sequence number of the document that was there.
    pub(super) replaced: Option<u64>,
}

/// See the module's text.
#[derive(Default)]
pub(super) struct Documents {
    by_id: HashSet<ById, RandomState>,
    /// Also those that were replaced or removed and that searches may still find.
    by_seq_no: HashMap<u64, Arc<Stored>, RandomState>,
    deletes: Deletes,
    seq_no: u64,
    bytes: u64,
}

impl Documents {
    /// The document as of now.
    pub(super) fn get(&self, id: &str) -> Option<&Arc<Stored>> {
        self.by_id.get(id).map(|found| &found.0)
    }

    /// The document that this change wrote, as long as searches may find it.
    pub(super) fn of_change(&self, seq_no: u64) -> Option<Arc<Stored>> {
        self.by_seq_no.get(&seq_no).cloned()
    }

    /// Drops documents that no search finds any more.
    pub(super) fn forget(&mut self, retired: &[u64]) {
        for seq_no in retired {
            if let Some(stored) = self.by_seq_no.remove(seq_no) {
                self.bytes -= stored.bytes();
            }
        }
    }

    /// The memory that the documents take.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes + self.deletes.bytes()
    }

    /// How long a removed document's version is remembered.
    pub(super) fn remember_deletes(&mut self, duration: Duration) {
        self.deletes.duration = duration;
    }

    /// Stores a document under that condition.
    pub(super) fn put(&mut self, id: &str, source: &str, condition: Condition) -> Result<Changed, Refusal> {
        let version = self.next_version(id, condition)?;
        let seq_no = self.next_seq_no();
        let stored = Arc::new(Stored { id: id.into(), version, seq_no, source: source.into() });
        self.deletes.versions.remove(id);
        self.bytes += stored.bytes();
        self.by_seq_no.insert(seq_no, Arc::clone(&stored));
        let replaced = self.by_id.replace(ById(stored)).map(|before| before.0.seq_no);
        Ok(Changed { version, seq_no, replaced })
    }

    /// Removes a document under that condition; one that is not there leaves its version all the same.
    pub(super) fn remove(&mut self, id: &str, condition: Condition) -> Result<Changed, Refusal> {
        let version = self.next_version(id, condition)?;
        let seq_no = self.next_seq_no();
        let replaced = self.by_id.take(id).map(|before| before.0.seq_no);
        self.deletes.add(id, version, seq_no);
        Ok(Changed { version, seq_no, replaced })
    }

    fn next_seq_no(&mut self) -> u64 {
        self.seq_no += 1;
        self.seq_no - 1
    }

    /// The version the document gets, if it may be changed.
    fn next_version(&mut self, id: &str, condition: Condition) -> Result<i64, Refusal> {
        self.deletes.expire();
        let conflict = |what: String| {
            Err(Refusal::new(
                409,
                "version_conflict_engine_exception",
                format!("[{id}]: version conflict, {what}"),
            ))
        };
        let stored = self.get(id);
        let current = stored.map(|stored| stored.version).or_else(|| self.deletes.version(id));
        match (condition, stored, current) {
            (Condition::OlderThan(given), _, Some(current)) if given <= current => conflict(format!(
                "current version [{current}] is higher or equal to the one provided [{given}]"
            )),
            (Condition::OlderThan(given), ..) => Ok(given),
            (Condition::Is(seq_no, term), None, _) => conflict(format!(
                "required seqNo [{seq_no}], primary term [{term}]. but no document was found"
            )),
            (Condition::Is(seq_no, term), Some(stored), _)
                if (stored.seq_no, PRIMARY_TERM) != (seq_no, term) =>
            {
                conflict(format!(
                    "required seqNo [{seq_no}], primary term [{term}]. current document has seqNo [{}] and primary \
                     term [{PRIMARY_TERM}]",
                    stored.seq_no
                ))
            }
            (Condition::Absent, Some(stored), _) => {
                conflict(format!("document already exists (current version [{}])", stored.version))
            }
            (_, _, current) => match current.unwrap_or(0).checked_add(1) {
                Some(next) => Ok(next),
                None => conflict("there is no version above the current one".into()),
            },
        }
    }
}

/// The versions of removed documents, remembered for a while (`index.gc_deletes`).
struct Deletes {
    duration: Duration,
    /// Version and the change that made it.
    versions: HashMap<Box<str>, (i64, u64), RandomState>,
    in_order: VecDeque<(Instant, u64, Box<str>)>,
}

impl Default for Deletes {
    fn default() -> Self {
        let (versions, in_order) = (HashMap::default(), VecDeque::new());
        Self { duration: Duration::from_secs(60), versions, in_order }
    }
}

impl Deletes {
    fn version(&self, id: &str) -> Option<i64> {
        self.versions.get(id).map(|(version, _)| *version)
    }

    fn add(&mut self, id: &str, version: i64, seq_no: u64) {
        self.versions.insert(id.into(), (version, seq_no));
        self.in_order.push_back((Instant::now(), seq_no, id.into()));
    }

    fn expire(&mut self) {
        while let Some((removed, seq_no, id)) = self.in_order.front()
            && removed.elapsed() >= self.duration
        {
            // Removed anew meanwhile: remembered for the later removal.
            if self.versions.get(id).is_some_and(|(_, last)| last == seq_no) {
                self.versions.remove(id);
            }
            self.in_order.pop_front();
        }
    }

    /// Ids are at most 512 bytes long, and here twice; most are far shorter.
    fn bytes(&self) -> u64 {
        (self.versions.len() + self.in_order.len()) as u64 * OVERHEAD_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(documents: &mut Documents, id: &str, version: i64) -> Option<Changed> {
        documents.put(id, "{}", Condition::OlderThan(version)).ok()
    }

    #[test]
    fn a_replaced_document_is_there_for_searches_until_it_is_forgotten() {
        let mut documents = Documents::default();
        let first = put(&mut documents, "a", 5).unwrap();
        assert_eq!(put(&mut documents, "a", 5), None);
        let bytes = documents.bytes();
        let second = put(&mut documents, "a", 6).unwrap();
        assert_eq!(second.replaced, Some(first.seq_no));
        assert_eq!(documents.of_change(first.seq_no).unwrap().version, 5);
        assert_eq!(documents.bytes(), 2 * bytes);
        documents.forget(&[first.seq_no]);
        assert!(documents.of_change(first.seq_no).is_none());
        assert_eq!((documents.bytes(), documents.get("a").unwrap().version), (bytes, 6));
    }

    #[test]
    fn removals_are_remembered_for_a_while_and_then_forgotten() {
        let mut documents = Documents::default();
        documents.remove("a", Condition::OlderThan(7)).unwrap();
        assert_eq!(put(&mut documents, "a", 7), None);
        documents.remember_deletes(Duration::ZERO);
        assert!(put(&mut documents, "a", 1).is_some());
        // What was put again and removed again is remembered from the last time.
        documents.remember_deletes(Duration::from_secs(60));
        documents.remove("a", Condition::OlderThan(9)).unwrap();
        assert_eq!(put(&mut documents, "a", 8), None);
    }

    #[test]
    fn conditions_hold() {
        let mut documents = Documents::default();
        let first = put(&mut documents, "a", 5).unwrap();
        assert!(documents.put("a", "{}", Condition::Absent).is_err());
        assert!(documents.remove("a", Condition::Is(first.seq_no + 1, PRIMARY_TERM)).is_err());
        assert!(documents.remove("a", Condition::Is(first.seq_no, PRIMARY_TERM + 1)).is_err());
        assert_eq!(documents.remove("a", Condition::Is(first.seq_no, PRIMARY_TERM)).unwrap().version, 6);
        assert!(documents.remove("a", Condition::Is(first.seq_no, PRIMARY_TERM)).is_err());
        assert_eq!(documents.put("b", "{}", Condition::None).unwrap().version, 1);
        assert!(put(&mut documents, "b", i64::MAX).is_some());
        assert!(documents.put("b", "{}", Condition::None).is_err());
    }
}
