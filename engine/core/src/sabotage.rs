//! Breaking the engine on purpose, so that the simulator can show that its checks would notice.
//!
//! A worker is generic over [`Conduct`]. Pipelines run [`Sound`], whose answer is a constant and compiles to
//! nothing; only the simulator supplies another, so no setting of a pipeline binary can reach a bug from here.

/// A plausible bug, at the place in the code where it would be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Bug {
    /// Commits what was read instead of what is finished.
    CommitBeforeAck,
    /// Releases a revoked partition without committing what finished meanwhile, and commits too far.
    CommitReadOnRevoke,
    /// A parked key's later effects go out before its head has succeeded.
    RetryOutOfOrder,
    /// An item refused for load inside a good answer counts as done.
    Ignore429Items,
    /// An unknown outcome counts as done.
    UnknownIsDone,
    /// A parked key whose retry is due is forgotten.
    ForgetParkedKeys,
    /// A reply for an ended epoch closes whatever has its place in the partition's new epoch.
    TrustEndedEpoch,
    /// A record that can't be processed is closed without waiting for its dead letter.
    DeadLetterNotAwaited,
    /// A key goes on before its dead letter is acknowledged.
    KeyGoesOnBeforeDeadLetter,
    /// A refusal for load becomes a dead letter.
    DeadLetterOverloaded,
    /// While the sink is down, records are dead-lettered after some attempts.
    DeadLetterWhenDown,
    /// Two effects of one document in one flight.
    TwoOfADomain,
    /// Does not read back the dedupe window after an assignment.
    NoDedupeRewind,
    /// Dedupe does not see the records that were finished before the restart.
    DedupeSkipsFinished,
    /// Dedupe takes a replayed dead letter for a duplicate of the record that failed.
    IgnoreReplayCount,
    /// Goes on after a suspension without asking whether the partitions are still its own.
    NoFenceAfterSuspension,
    /// The finished stretches above the commit position are taken one offset too far.
    MetadataOffByOne,
    /// A refused request is dead-lettered whole instead of looking for the culprit.
    NoBisect,
    /// Ignores the memory budget at intake.
    IgnoreBudget,
    /// The breaker never opens.
    BreakerNeverOpens,
    /// Takes the late answer to an earlier question for positions for the answer to the latest.
    BelieveStalePositions,
    /// Goes on, and says nothing, after retention removed what was not read, although that is not accepted.
    PassOverLostOffsets,
    /// Takes metadata that it can't read to say that everything up to the log's end is finished.
    UnreadableMetadataIsFinished,
    /// A record is finished when its call has its answer, although the record that follows from it is still on its way.
    CloseBeforeFollowUp,
    /// What should follow from an answer is forgotten.
    ForgetFollowUps,
    /// Records that follow from calls and wait are dropped when their partition is revoked, those of later calls are not.
    DropFollowUpsOnRevoke,
    /// Takes every effect for one that nobody else has sent.
    ForgetWhoWasBefore,
}

impl Bug {
    /// Every bug.
    pub const ALL: [Self; 27] = [
        Self::CommitBeforeAck,
        Self::CommitReadOnRevoke,
        Self::RetryOutOfOrder,
        Self::Ignore429Items,
        Self::UnknownIsDone,
        Self::ForgetParkedKeys,
        Self::TrustEndedEpoch,
        Self::DeadLetterNotAwaited,
        Self::KeyGoesOnBeforeDeadLetter,
        Self::DeadLetterOverloaded,
        Self::DeadLetterWhenDown,
        Self::TwoOfADomain,
        Self::NoDedupeRewind,
        Self::DedupeSkipsFinished,
        Self::IgnoreReplayCount,
        Self::NoFenceAfterSuspension,
        Self::MetadataOffByOne,
        Self::NoBisect,
        Self::IgnoreBudget,
        Self::BreakerNeverOpens,
        Self::BelieveStalePositions,
        Self::PassOverLostOffsets,
        Self::UnreadableMetadataIsFinished,
        Self::CloseBeforeFollowUp,
        Self::ForgetFollowUps,
        Self::DropFollowUpsOnRevoke,
        Self::ForgetWhoWasBefore,
    ];
}

/// A plausible bug of the exactly-once worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExactlyOnceBug {
    /// Runs timers a little before their deadline.
    FireEarly,
    /// A timer that was overdue when its partition was restored is forgotten.
    LoseOverdueTimers,
    /// A transaction carries offsets only of partitions whose position has moved: none where only timers ran.
    TimersWithoutOffsets,
    /// What an aborted transaction did to the state stays.
    KeepStateAfterAbort,
    /// What a rejected record had written stays.
    KeepWritesOfRejected,
    /// Deletions do not go to the changelog.
    NoTombstones,
    /// An unknown outcome counts as committed.
    UnknownIsCommitted,
    /// An unknown outcome counts as aborted.
    UnknownIsAborted,
    /// All transactions of a worker's life have the same number.
    TransactionsUnnumbered,
    /// Looks for the outcome of a transaction while its producer can still end it.
    LookWithoutRenewal,
    /// Runs what was read under an epoch that has ended.
    TrustBatchOfEndedEpoch,
    /// Takes any answer to a question for positions for the answer to the latest.
    TrustStalePositions,
    /// Does not read back the dedupe window.
    DedupeNotRebuilt,
    /// Uses a snapshot however old it is.
    UseOldSnapshot,
    /// Uses a snapshot of another partition or topic.
    UseForeignSnapshot,
    /// Uses what there is of a snapshot that is damaged or cut off.
    TrustDamagedSnapshot,
    /// Takes snapshots while a transaction is open.
    SnapshotOpenTransaction,
    /// When a transaction fails, what ran ahead of its end is taken back, but its outputs are written.
    KeepOutputsTakenBack,
    /// When a transaction is committed, what ran ahead of its end counts as committed with it.
    AheadIsCommitted,
    /// When a transaction is committed, what ran ahead of its end is forgotten as a change for the changelog.
    ForgetChangesAhead,
}

impl ExactlyOnceBug {
    /// Every bug.
    pub const ALL: [Self; 20] = [
        Self::FireEarly,
        Self::LoseOverdueTimers,
        Self::TimersWithoutOffsets,
        Self::KeepStateAfterAbort,
        Self::KeepWritesOfRejected,
        Self::NoTombstones,
        Self::UnknownIsCommitted,
        Self::UnknownIsAborted,
        Self::TransactionsUnnumbered,
        Self::LookWithoutRenewal,
        Self::TrustBatchOfEndedEpoch,
        Self::TrustStalePositions,
        Self::DedupeNotRebuilt,
        Self::UseOldSnapshot,
        Self::UseForeignSnapshot,
        Self::TrustDamagedSnapshot,
        Self::SnapshotOpenTransaction,
        Self::KeepOutputsTakenBack,
        Self::AheadIsCommitted,
        Self::ForgetChangesAhead,
    ];
}

/// How a worker behaves.
pub trait Conduct: Clone {
    /// Whether it has that bug.
    fn has(&self, bug: Bug) -> bool;

    /// Whether it has that bug, if it is an exactly-once worker.
    fn breaks(&self, bug: ExactlyOnceBug) -> bool;
}

/// The behaviour of every pipeline: no bug on purpose.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sound;

impl Conduct for Sound {
    #[inline(always)]
    fn has(&self, _bug: Bug) -> bool {
        false
    }

    #[inline(always)]
    fn breaks(&self, _bug: ExactlyOnceBug) -> bool {
        false
    }
}
