//! How wild a history was.

use serde_json::{Map, Value, json};

/// Counters of one run, or the sum of many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    counts: [u64; Count::ALL.len()],
}

impl Default for Tally {
    fn default() -> Self {
        Self { counts: [0; Count::ALL.len()] }
    }
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
    Outputs,
    TransactionsCommitted,
    TransactionsAborted,
    TransactionsUnknown,
    TransactionsFenced,
    TransactionsExpired,
    ZombiesRefused,
    LateMarkers,
    UnstablePositions,
    Restores,
    RestoresBehindMarkers,
    SlowRestores,
    TimersFired,
    ClockSteps,
    Replaced,
    Compactions,
    TombstonesRemoved,
    Comparisons,
    StatesFull,
    SnapshotsTaken,
    SnapshotsFailed,
    SnapshotsUsed,
    SnapshotsCutOff,
    SnapshotsDamaged,
    SnapshotsNewer,
    SnapshotsForeign,
    SnapshotsTooOld,
    SnapshotsOtherwiseRefused,
}

impl Count {
    /// Every counter, in the order of the report.
    pub const ALL: [Self; 54] = [
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
        Self::Outputs,
        Self::TransactionsCommitted,
        Self::TransactionsAborted,
        Self::TransactionsUnknown,
        Self::TransactionsFenced,
        Self::TransactionsExpired,
        Self::ZombiesRefused,
        Self::LateMarkers,
        Self::UnstablePositions,
        Self::Restores,
        Self::RestoresBehindMarkers,
        Self::SlowRestores,
        Self::TimersFired,
        Self::ClockSteps,
        Self::Replaced,
        Self::Compactions,
        Self::TombstonesRemoved,
        Self::Comparisons,
        Self::StatesFull,
        Self::SnapshotsTaken,
        Self::SnapshotsFailed,
        Self::SnapshotsUsed,
        Self::SnapshotsCutOff,
        Self::SnapshotsDamaged,
        Self::SnapshotsNewer,
        Self::SnapshotsForeign,
        Self::SnapshotsTooOld,
        Self::SnapshotsOtherwiseRefused,
    ];

    /// The kinds of fault that must occur in at least a third of the at-least-once histories.
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

    /// The kinds of fault that must occur in at least a third of the exactly-once histories.
    pub const TRANSACTION_FAULTS: [Self; 25] = [
        Self::Crashes,
        Self::Rebalances,
        Self::DeadLetters,
        Self::Freezes,
        Self::TransactionsAborted,
        Self::TransactionsUnknown,
        Self::TransactionsFenced,
        Self::TransactionsExpired,
        Self::ZombiesRefused,
        Self::LateMarkers,
        Self::UnstablePositions,
        Self::RestoresBehindMarkers,
        Self::SlowRestores,
        Self::ClockSteps,
        Self::Replaced,
        Self::TombstonesRemoved,
        Self::LateResponses,
        Self::StatesFull,
        Self::SnapshotsFailed,
        Self::SnapshotsUsed,
        Self::SnapshotsCutOff,
        Self::SnapshotsDamaged,
        Self::SnapshotsNewer,
        Self::SnapshotsForeign,
        Self::SnapshotsTooOld,
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
            Self::Outputs => "outputs",
            Self::TransactionsCommitted => "transactions_committed",
            Self::TransactionsAborted => "transactions_aborted",
            Self::TransactionsUnknown => "transactions_unknown",
            Self::TransactionsFenced => "transactions_fenced",
            Self::TransactionsExpired => "transactions_expired",
            Self::ZombiesRefused => "zombies_refused",
            Self::LateMarkers => "late_markers",
            Self::UnstablePositions => "unstable_positions",
            Self::Restores => "restores",
            Self::RestoresBehindMarkers => "restores_behind_markers",
            Self::SlowRestores => "slow_restores",
            Self::TimersFired => "timers_fired",
            Self::ClockSteps => "clock_steps",
            Self::Replaced => "replaced",
            Self::Compactions => "compactions",
            Self::TombstonesRemoved => "tombstones_removed",
            Self::Comparisons => "comparisons",
            Self::StatesFull => "states_full",
            Self::SnapshotsTaken => "snapshots_taken",
            Self::SnapshotsFailed => "snapshots_failed",
            Self::SnapshotsUsed => "snapshots_used",
            Self::SnapshotsCutOff => "snapshots_cut_off",
            Self::SnapshotsDamaged => "snapshots_damaged",
            Self::SnapshotsNewer => "snapshots_newer",
            Self::SnapshotsForeign => "snapshots_foreign",
            Self::SnapshotsTooOld => "snapshots_too_old",
            Self::SnapshotsOtherwiseRefused => "snapshots_otherwise_refused",
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
