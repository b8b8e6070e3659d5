//! How a record ends. Closed: there is no "error, carry on".

/// The one counted end of a record.
///
/// Ordered by weight: a record with several effects ends with the heaviest of their outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// An operator said that nothing is to be done.
    Filtered,
    /// Its event id was seen before.
    Duplicate,
    /// Something newer had been applied already.
    Superseded,
    /// Its effects are durable.
    Delivered,
    /// It is on the dead-letter topic, acknowledged.
    DeadLettered,
}

impl Outcome {
    /// Every outcome, in the order of their weight.
    pub const ALL: [Self; 5] =
        [Self::Filtered, Self::Duplicate, Self::Superseded, Self::Delivered, Self::DeadLettered];

    /// The name used in metrics and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Filtered => "filtered",
            Self::Duplicate => "duplicate",
            Self::Superseded => "superseded",
            Self::Delivered => "delivered",
            Self::DeadLettered => "dead_lettered",
        }
    }
}
