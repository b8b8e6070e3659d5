//! How wild a history was.

use serde_json::{Map, Value, json};

/// Counters of one run, or the sum of many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    counts: [u64; Count::ALL.len()],
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it; they are the report's")]
pub enum Count {
    Records,
    Crashes,
    Rebalances,
    Items429,
    ParkedKeys,
    DeadLetters,
    LateResponses,
    Freezes,
    GracefulStops,
    Outages,
    UnknownOutcomes,
    Requests,
    Commits,
    CommitsFenced,
    CommitsFailed,
    DeadLettersTwice,
    EffectsAgain,
    Duplicates,
    FinishedBefore,
    BreakerOpened,
    Fences,
    LatePositions,
    RetentionLosses,
    LossesRefused,
    UnreadableMetadata,
    Replays,
}

impl Count {
    /// Every counter, in the order of the report.
    pub const ALL: [Self; 26] = [
        Self::Records,
        Self::Crashes,
        Self::Rebalances,
        Self::Items429,
        Self::ParkedKeys,
        Self::DeadLetters,
        Self::LateResponses,
        Self::Freezes,
        Self::GracefulStops,
        Self::Outages,
        Self::UnknownOutcomes,
        Self::Requests,
        Self::Commits,
        Self::CommitsFenced,
        Self::CommitsFailed,
        Self::DeadLettersTwice,
        Self::EffectsAgain,
        Self::Duplicates,
        Self::FinishedBefore,
        Self::BreakerOpened,
        Self::Fences,
        Self::LatePositions,
        Self::RetentionLosses,
        Self::LossesRefused,
        Self::UnreadableMetadata,
        Self::Replays,
    ];

    /// The kinds of fault that must occur in at least a third of the seeds.
    pub const FAULTS: [Self; 8] = [
        Self::Crashes,
        Self::Rebalances,
        Self::Items429,
        Self::ParkedKeys,
        Self::DeadLetters,
        Self::LateResponses,
        Self::RetentionLosses,
        Self::UnreadableMetadata,
    ];

    /// Its name in the report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Crashes => "crashes",
            Self::Rebalances => "rebalances",
            Self::Items429 => "items_429",
            Self::ParkedKeys => "parked_keys",
            Self::DeadLetters => "dead_letters",
            Self::LateResponses => "late_responses",
            Self::Freezes => "freezes",
            Self::GracefulStops => "graceful_stops",
            Self::Outages => "outages",
            Self::UnknownOutcomes => "unknown_outcomes",
            Self::Requests => "requests",
            Self::Commits => "commits",
            Self::CommitsFenced => "commits_fenced",
            Self::CommitsFailed => "commits_failed",
            Self::DeadLettersTwice => "dead_letters_twice",
            Self::EffectsAgain => "effects_again",
            Self::Duplicates => "duplicates",
            Self::FinishedBefore => "finished_before",
            Self::BreakerOpened => "breaker_opened",
            Self::Fences => "fences",
            Self::LatePositions => "late_positions",
            Self::RetentionLosses => "retention_losses",
            Self::LossesRefused => "losses_refused",
            Self::UnreadableMetadata => "unreadable_metadata",
            Self::Replays => "replays",
        }
    }
}

impl Tally {
    pub(crate) fn add(&mut self, count: Count, by: u64) {
        self.counts[count as usize] += by;
    }

    pub(crate) fn one(&mut self, count: Count) {
        self.add(count, 1);
    }

    /// How many.
    #[must_use]
    pub fn of(&self, count: Count) -> u64 {
        self.counts[count as usize]
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (sum, count) in self.counts.iter_mut().zip(other.counts) {
            *sum += count;
        }
    }

    /// The counters as a JSON object's entries, in the order of [`Count::ALL`].
    #[must_use]
    pub fn as_json(&self) -> Map<String, Value> {
        Count::ALL.iter().map(|count| (count.name().to_owned(), json!(self.of(*count)))).collect()
    }
}
