//! Where the documents that readers see come from.

use anyhow::Result;
use serde_json::Value;

/// A document as readers see it.
#[derive(Clone, Debug)]
pub struct Visible {
    /// Its `_id`.
    pub id: String,
    /// Its version, where known.
    pub version: Option<u64>,
    /// Its fields.
    pub source: Value,
}

/// What a source says of itself beyond its visible documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// Documents that are there but hidden, as marks of deleted ones.
    pub tombstones: u64,
    /// Writes that arrived after a later version of the same document; they have no effect.
    pub stale_writes: u64,
}

/// An index, or the record of what was done to one.
pub trait Source {
    /// Shows every visible document once.
    ///
    /// # Errors
    /// When the source can't be read to its end.
    fn each(&mut self, visit: &mut dyn FnMut(Visible)) -> Result<Behind>;
}
