//! The rules that make the sink correct, named, so that the simulator can break each on purpose and see it caught.

/// Which rules are kept. Pipelines use [`Kept`]; the simulator supplies types that break one.
pub trait Rules: 'static {
    /// Writes carry the version of their record, so that an older one can't undo a newer one.
    const VERSIONED: bool = true;
    /// A removal leaves a tombstone document.
    const TOMBSTONES: bool = true;
    /// Each effect is judged by its own item of the answer.
    const ITEM_BY_ITEM: bool = true;
    /// A base at or above the effect's version supersedes the effect.
    const BASE_VERSION_COMPARED: bool = true;
    /// A base is forgotten when a write on it was not plainly acknowledged.
    const BASE_FORGOTTEN_ON_DOUBT: bool = true;
    /// A base counts only under the epoch it was learnt in.
    const BASE_OF_EPOCH: bool = true;
}

/// Every rule is kept.
#[derive(Debug, Clone, Copy)]
pub struct Kept;

impl Rules for Kept {}
