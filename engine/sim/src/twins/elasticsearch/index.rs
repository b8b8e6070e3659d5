//! The documents of the index, with their versions.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::action::{Action, Verb};
use super::answers::Refusal;
use super::mapping::Mapping;

/// The primary term of all writes: this cluster never fails over.
pub(super) const PRIMARY_TERM: u64 = 1;

/// A document as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its version, as given by who wrote it.
    pub version: i64,
    /// The document, as it was written.
    pub source: String,
    /// Whether it is a tombstone: `deleted` is true, and readers don't see it.
    pub tombstone: bool,
    /// The milliseconds in its `deletedAt`.
    pub(super) deleted_at_ms: Option<i64>,
    pub(super) seq_no: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Index {
    pub(super) mapping: Mapping,
    pub(super) settings: Value,
    pub(super) aliases: Map<String, Value>,
    pub(super) write_blocked: bool,
    documents: BTreeMap<String, Stored>,
    /// Versions of real deletes, as long as they are remembered.
    deletes: BTreeMap<String, i64>,
    seq_no: u64,
}

impl Index {
    pub(super) fn new(mapping: Mapping, settings: Value, aliases: Map<String, Value>) -> Self {
        let (documents, deletes) = (BTreeMap::new(), BTreeMap::new());
        Self { mapping, settings, aliases, write_blocked: false, documents, deletes, seq_no: 0 }
    }

    pub(super) fn documents(&self) -> impl Iterator<Item = (&str, &Stored)> {
        self.documents.iter().map(|(id, stored)| (id.as_str(), stored))
    }

    pub(super) fn get(&self, id: &str) -> Option<&Stored> {
        self.documents.get(id)
    }

    pub(super) fn forget_deletes(&mut self) {
        self.deletes.clear();
    }

    /// Applies one action: its status, or why not.
    pub(super) fn apply(&mut self, action: &Action<'_>) -> Result<u16, Refusal> {
        // Parsed before its version is looked at, as the real one does.
        let parsed = match action.verb {
            Verb::Index => Some(self.mapping.check(&action.id, action.document)?),
            Verb::Delete => None,
        };
        let version = self.next_version(action)?;
        let existed = self.documents.remove(&action.id).is_some();
        let seq_no = self.seq_no;
        self.seq_no += 1;
        let Some(checked) = parsed else {
            self.deletes.insert(action.id.clone(), version);
            return if existed { Ok(200) } else { Ok(404) };
        };
        self.deletes.remove(&action.id);
        let stored = Stored {
            version,
            source: checked.source,
            tombstone: checked.deleted,
            deleted_at_ms: checked.deleted_at_ms,
            seq_no,
        };
        self.documents.insert(action.id.clone(), stored);
        Ok(if existed { 200 } else { 201 })
    }

    /// The version the document gets, if it may be changed.
    fn next_version(&self, action: &Action<'_>) -> Result<i64, Refusal> {
        let id = &action.id;
        let conflict = |what: String| {
            Refusal::new(
                409,
                "version_conflict_engine_exception",
                format!("[{id}]: version conflict, {what}"),
            )
        };
        let stored = self.documents.get(id);
        let current = stored.map(|stored| stored.version).or_else(|| self.deletes.get(id).copied());
        if let Some((seq_no, term)) = action.guard {
            let required = format!("required seqNo [{seq_no}], primary term [{term}].");
            return match stored {
                None => Err(conflict(format!("{required} but no document was found"))),
                Some(stored) if (stored.seq_no, PRIMARY_TERM) != (seq_no, term) => {
                    let found = stored.seq_no;
                    Err(conflict(format!(
                        "{required} current document has seqNo [{found}] and primary term [{PRIMARY_TERM}]"
                    )))
                }
                Some(stored) => Ok(stored.version + 1),
            };
        }
        match (action.version, current) {
            (Some(given), Some(current)) if given <= current => Err(conflict(format!(
                "current version [{current}] is higher or equal to the one provided [{given}]"
            ))),
            (Some(given), _) => Ok(given),
            (None, current) => Ok(current.unwrap_or(0) + 1),
        }
    }
}
