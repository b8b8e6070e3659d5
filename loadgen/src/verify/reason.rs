//! Why a record can't be processed.

use std::fmt;

/// A place in the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The partition.
    pub partition: u32,
    /// The offset in it.
    pub offset: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.partition, self.offset)
    }
}

/// Why a record must be a dead letter. Where several hold, the first in this order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The key is null.
    MissingKey,
    /// The value is null.
    Tombstone,
    /// The value has more than 1 MiB.
    TooLarge,
    /// The value nests deeper than 128 levels.
    TooDeep,
    /// The value is no event: not UTF-8, not JSON, a field missing, twice there, or of the wrong type.
    Undecodable,
    /// The event has a type that nobody knows.
    UnknownType,
    /// The key is not UTF-8.
    BadKey,
    /// A create whose key is not its conversation.
    KeyMismatch,
    /// The tenant or the id is empty.
    BadId,
    /// The document's `_id` would have more than 512 bytes.
    IdTooLong,
    /// The index can't take such a document.
    DocumentRefused,
    /// An update of what never existed.
    DocumentMissing,
}

impl Reason {
    /// Its name in dead letters and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MissingKey => "missing_key",
            Self::Tombstone => "tombstone",
            Self::TooLarge => "too_large",
            Self::TooDeep => "too_deep",
            Self::Undecodable => "undecodable",
            Self::UnknownType => "unknown_type",
            Self::BadKey => "bad_key",
            Self::KeyMismatch => "key_mismatch",
            Self::BadId => "bad_id",
            Self::IdTooLong => "id_too_long",
            Self::DocumentRefused => "document_refused",
            Self::DocumentMissing => "document_missing",
        }
    }
}
