//! What goes into a worker's settings, and what comes out of it.

use std::ops::Range;

use crate::commit_metadata;
use crate::outcome::Outcome;
use crate::position::{Epoch, PartitionId};
use crate::sink::{LaneId, Request};
use crate::state::StateError;
use crate::worker::partition::PartitionName;

/// Settings of a worker. Limits are per worker: the runtime divides what is meant per process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSettings {
    /// The flow's name, for dead letters.
    pub flow: String,
    /// The operator's name, for dead letters.
    pub operator: String,
    /// Time between commits.
    pub commit_interval_ms: u64,
    /// How long a revoked partition's flights may take to end before it is given up anyway. Must be well below the
    /// group's `max.poll.interval.ms` and rebalance timeout.
    pub drain_deadline_ms: u64,
    /// Bytes for records and partitions together.
    pub budget_bytes: u64,
    /// What an assigned partition takes of the budget beside its records: what is read ahead, ids for dedupe. The
    /// records keep at least a quarter of the budget, or a worker with many partitions could not go on.
    pub partition_bytes: u64,
    /// Records whose outcome may be open at a time: bounds what a restart does again, and the latency under load.
    pub open_records_max: usize,
    /// Deduplication by event id, if any.
    pub dedupe: Option<DedupeSettings>,
    /// Go on from the oldest offset there is when committed offsets were lost to retention, instead of failing.
    pub accept_lost_offsets: bool,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            flow: String::new(),
            operator: "operator".to_owned(),
            commit_interval_ms: 1_000,
            drain_deadline_ms: 20_000,
            budget_bytes: 256 << 20,
            partition_bytes: 0,
            open_records_max: 100_000,
            dedupe: None,
            accept_lost_offsets: false,
        }
    }
}

/// The part (one of so many) of a worker's budget that its records keep, however many partitions it has.
pub(super) const RECORDS_SHARE: u64 = 4;

impl WorkerSettings {
    /// Bytes that admitted records may reserve while so many partitions are assigned.
    #[must_use]
    pub fn records_bytes(&self, partitions: usize) -> u64 {
        let taken = self.partition_bytes.saturating_mul(partitions as u64);
        self.budget_bytes.saturating_sub(taken).max(self.budget_bytes / RECORDS_SHARE)
    }
}

/// How duplicates are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DedupeSettings {
    /// The header that names the event; records without it are not deduplicated.
    pub header: String,
    /// How many offsets back a duplicate is told.
    pub window: u64,
}

/// A sink of the worker: the flow's sinks by their handles' index, then the dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SinkIndex(pub u8);

/// A question for positions. Its answer carries the same number: between asking and answering, a partition may have
/// been taken away and given back, and then only the answer to the latest question counts.
///
/// Numbers are handed out by the worker, increase, and are never used again within a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchId(pub u64);

/// What the driver must do for the worker.
#[derive(Debug)]
pub enum Command {
    /// Send the request, and bring its reply to [`super::Worker::replied`] with the same sink and lane.
    Send {
        /// The sink.
        sink: SinkIndex,
        /// Its lane; has one request out at a time.
        lane: LaneId,
        /// What to send.
        request: Request,
    },
    /// Fetch the committed and the available offsets of these, and bring them to [`super::Worker::positioned`] with the
    /// same number.
    FetchPositions {
        /// The question's number.
        fetch: FetchId,
        /// The partitions.
        partitions: Vec<PartitionId>,
    },
    /// Start reading these; batches carry the epoch.
    Read(Vec<ReadFrom>),
    /// Commit synchronously, and bring the result to [`super::Worker::committed`]. One at a time.
    Commit(Vec<CommitEntry>),
    /// Unassign these: the worker has done with them. Answers a rebalance.
    Release(Vec<PartitionId>),
    /// The worker has stopped; `clean` when everything read was finished and committed.
    Stopped {
        /// Whether nothing was left behind.
        clean: bool,
    },
    /// The flow must not go on.
    Fail(FlowError),
    /// Something a person should read in the log.
    Warn(String),
}

/// Where to start reading a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFrom {
    /// The partition.
    pub partition: PartitionId,
    /// The epoch its batches must carry.
    pub epoch: Epoch,
    /// The first offset to read; below the committed one by the dedupe window.
    pub offset: i64,
}

/// One partition's commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitEntry {
    /// The partition.
    pub partition: PartitionId,
    /// Its epoch.
    pub epoch: Epoch,
    /// The next offset to read after a restart.
    pub position: i64,
    /// Which offsets above are finished; see [`commit_metadata`].
    pub metadata: String,
}

/// What the broker says of a partition before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positions {
    /// The partition.
    pub partition: PartitionId,
    /// What the group has committed, with its metadata.
    pub committed: Option<(i64, String)>,
    /// The oldest offset there is.
    pub low: i64,
    /// One above the newest offset there is.
    pub high: i64,
}

/// How a commit ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitResult {
    /// The broker holds it.
    Done,
    /// The broker says that the partitions are somebody else's.
    Fenced(String),
    /// It is not known, or not now; it can be tried again.
    Failed(String),
}

/// Why a flow can't go on; for the operator of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowError {
    /// Retention removed records before they were read.
    OffsetsLost {
        /// Which partition.
        partition: PartitionName,
        /// The offsets that are gone.
        lost: Range<i64>,
    },
    /// The committed offset is above the newest record: the topic was recreated or truncated.
    OffsetsBeyondEnd {
        /// Which partition.
        partition: PartitionName,
        /// What the group has committed.
        committed: i64,
        /// One above the newest offset there is.
        high: i64,
    },
    /// It is not known what was committed with a partition's offset: whether a transaction stands can't be told.
    Metadata {
        /// Which partition.
        partition: PartitionName,
        /// Why its commit can't be read.
        error: commit_metadata::MetadataError,
    },
    /// A partition's state can't be restored, or has grown too large.
    State {
        /// Which partition.
        partition: PartitionName,
        /// What is wrong.
        error: StateError,
    },
}

impl std::fmt::Display for FlowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OffsetsLost { partition, lost } => write!(
                f,
                "offsets {} to {} of {partition} were removed by the topic's retention before they were read; to go \
                 on without them set `accept_lost_offsets = true`",
                lost.start,
                lost.end - 1
            ),
            Self::OffsetsBeyondEnd { partition, committed, high } => write!(
                f,
                "the group has committed offset {committed} of {partition}, but the partition ends at {high}: the \
                 topic was recreated or truncated; reset the group's offsets after checking what was lost"
            ),
            Self::Metadata { partition, error } => write!(f, "the group's commit of {partition}: {error}"),
            Self::State { partition, error } => write!(f, "the state of {partition}: {error}"),
        }
    }
}

impl std::error::Error for FlowError {}

/// How many records ended how. Adds up: `read = sum of outcomes + given_up + open`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    /// Records admitted (without those seen again only to rebuild dedupe, and those finished before a restart).
    pub read: u64,
    /// By outcome, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; 5],
    /// Records whose epoch ended before their outcome: somebody else does them again.
    pub given_up: u64,
    /// Records seen again after a restart only to rebuild the dedupe window.
    pub rewound: u64,
    /// Records passed over because they were finished before a restart.
    pub finished_before: u64,
    /// Records without an event id, which dedupe can't judge.
    pub without_event_id: u64,
}

impl std::ops::AddAssign<&Accounts> for Accounts {
    fn add_assign(&mut self, other: &Accounts) {
        self.read += other.read;
        for (sum, count) in self.outcomes.iter_mut().zip(other.outcomes) {
            *sum += count;
        }
        self.given_up += other.given_up;
        self.rewound += other.rewound;
        self.finished_before += other.finished_before;
        self.without_event_id += other.without_event_id;
    }
}

impl Accounts {
    /// How many ended so.
    #[must_use]
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// Records whose outcome is open.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.read - self.given_up - self.outcomes.iter().sum::<u64>()
    }
}

/// What metadata to write for a commit of that state.
pub(crate) fn metadata(position: i64, finished: impl Iterator<Item = Range<i64>>) -> String {
    commit_metadata::encode(position, finished)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_take_their_part_of_the_budget_and_leave_a_quarter() {
        let settings =
            WorkerSettings { budget_bytes: 1_000, partition_bytes: 100, ..WorkerSettings::default() };
        let left: Vec<_> = [0, 3, 7, 8, 1_000].map(|partitions| settings.records_bytes(partitions)).into();
        assert_eq!(left, [1_000, 700, 300, 250, 250]);
    }
}
