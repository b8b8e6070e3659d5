//! The rules that make the sink correct, named, so that the simulator can break each on purpose and see it caught.
//!
//! A sink is generic over [`Rules`]. Pipelines use [`Kept`], whose answer is a constant and compiles to nothing; only the
//! simulator supplies another.

/// A rule of the sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// Writes carry the version of their record, so that an older one can't undo a newer one.
    Versions,
    /// A removal leaves a tombstone document, because Elasticsearch forgets its own.
    Tombstones,
    /// Each effect is judged by its own item of the answer.
    ItemByItem,
    /// A base is forgotten when a write on it was not plainly acknowledged.
    BaseInDoubt,
    /// A base is learnt from acknowledged writes only, not from sent ones.
    BaseAcknowledged,
    /// A base counts only under the epoch it was learnt in.
    BaseOfEpoch,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 6] = [
        Self::Versions,
        Self::Tombstones,
        Self::ItemByItem,
        Self::BaseInDoubt,
        Self::BaseAcknowledged,
        Self::BaseOfEpoch,
    ];
}

/// Which rules are kept.
pub trait Rules: Clone + 'static {
    /// Whether that one is.
    fn keep(&self, rule: Rule) -> bool;
}

/// Every rule is kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kept;

impl Rules for Kept {
    #[inline(always)]
    fn keep(&self, _rule: Rule) -> bool {
        true
    }
}
