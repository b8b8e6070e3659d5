//! What the source tells its worker.

use thalweg_core::position::PartitionId;
use thalweg_core::worker::FetchId;

/// Something that happened to the source. Events come in their order, from [`super::source::KafkaSource::poll_events`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceEvent {
    /// These partitions are the worker's. Nothing is read until it has asked for their positions
    /// ([`super::source::KafkaSource::fetch_positions`]) and started all of them
    /// ([`super::source::KafkaSource::start`]). Empty when the group had none to give.
    Assigned(Vec<PartitionId>),
    /// These partitions are to be given up. They stay the worker's, and commits of them are taken, until it has
    /// released all of them ([`super::source::KafkaSource::release`]); the group waits.
    Revoked(Vec<PartitionId>),
    /// These partitions are somebody else's already: no commit will be taken, nothing is to be released.
    Lost(Vec<PartitionId>),
    /// The positions that were asked for.
    Positions {
        /// The question's number.
        fetch: FetchId,
        /// What was found; also of partitions that were taken away since.
        found: Vec<PartitionPosition>,
    },
    /// A commit has ended.
    Committed {
        /// The partitions it was for.
        partitions: Vec<PartitionId>,
        /// How it ended.
        outcome: CommitOutcome,
    },
    /// The log does not hold the offset that is to be read next (any more); the partition is not read any further.
    OffsetOutOfRange {
        /// Which partition.
        partition: PartitionId,
        /// The offset that was asked for.
        offset: i64,
        /// What the client says.
        reason: String,
    },
    /// Records of the partition can't be read (damaged, or compressed in a way this build can't undo); going on would
    /// skip them, so the partition is not read any further.
    PartitionFailed {
        /// Which partition.
        partition: PartitionId,
        /// What the client says.
        reason: String,
    },
    /// Another member of the group has our instance id: this one's predecessor, which was killed and whose session has
    /// not ended yet (the protocol `consumer` takes nobody's place before), or one that is set up with the same id. This
    /// source is of no use any more; another one may be let in later.
    InstanceIdTaken(String),
    /// The client can't go on, and what it was given is somebody else's or soon will be. Another source may be let in.
    Fatal(String),
    /// Another member that is alive came with our instance id, and the group now knows only that one. Coming back would
    /// throw it out in turn: somebody set both up with the same id.
    Fenced(String),
    /// Something is wrong that the client goes on repairing by itself.
    Warning(String),
}

/// Where a partition stands with its group and in its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionPosition {
    /// Which partition.
    pub partition: PartitionId,
    /// The committed offset and the metadata that came with it; `None`: never committed, or expired.
    pub committed: Option<(i64, String)>,
    /// The lowest offset that the log still holds.
    pub low: i64,
    /// One above the highest offset of the log.
    pub high: i64,
}

/// How a commit ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitOutcome {
    /// The broker holds it.
    Committed,
    /// The broker refused it because the partition is not ours (any more).
    Fenced(String),
    /// It failed, or nobody knows; the partition may still be ours.
    Failed(String),
}
