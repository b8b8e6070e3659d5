//! What goes into an exactly-once worker's settings, and what comes out of it.

use std::ops::Range;

use crate::commit_metadata::TransactionTag;
use crate::position::{Epoch, PartitionId};
use crate::retry::RetrySchedule;
use crate::state::StateLimits;
use crate::state::changelog::Entry;
use crate::state::snapshot::SnapshotRefusal;
use crate::worker::{CommitEntry, DedupeSettings, FetchId, FlowError, ReadFrom, SinkIndex};

/// Settings of an exactly-once worker. Limits are per worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExactlyOnceSettings {
    /// The flow's name, for dead letters.
    pub flow: String,
    /// The operator's name, for dead letters.
    pub operator: String,
    /// How long a transaction stays open while there is more to read.
    pub commit_interval_ms: u64,
    /// From a transaction's end until outputs of the next one are handed over, which runs do not wait for. Nor is the
    /// next one committed earlier, unless a partition or the whole flow waits for its end.
    pub settle_ms: u64,
    /// Records and timers that a transaction takes at most, together with one before it that is being committed.
    pub transaction_runs_max: usize,
    /// Bytes of outputs and state that a transaction takes before it ends, together with one before it; the batch that passes
    /// it is part of it.
    pub transaction_bytes_max: usize,
    /// Limits of each partition's state.
    pub state: StateLimits,
    /// How long a revoked partition waits for its transaction to end. Well below the group's rebalance timeout.
    pub drain_deadline_ms: u64,
    /// Waits after aborted transactions in a row.
    pub retry: RetrySchedule,
    /// Deduplication by event id, if any.
    pub dedupe: Option<DedupeSettings>,
    /// Go on from the oldest offset there is when committed offsets were lost to retention, instead of failing.
    pub accept_lost_offsets: bool,
    /// Local snapshots of the state, if any are taken.
    pub snapshots: Option<SnapshotSettings>,
}

/// When snapshots are taken, and what one must be to be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotSettings {
    /// The id of the changelog's topic.
    pub topic_id: String,
    /// From one snapshot of a partition to the next, where something has changed.
    pub interval_ms: u64,
    /// How old one may be: half of the changelog's `delete.retention.ms`.
    pub age_ms_max: u64,
    /// So much of one is taken in one turn; at least 1/64 of the partition's rows or timers.
    pub slice_bytes: usize,
}

/// What the driver must do for the worker. One transaction at a time: after [`Command::Commit`] or [`Command::Abort`],
/// nothing is produced until its result was brought.
#[derive(Debug)]
pub enum Command {
    /// Drop the producer if there is one, make a new one of the same transactional id, which ends what the one before has
    /// left open, and call [`super::ExactlyOnceWorker::producer_ready`].
    RenewProducer,
    /// Fetch the STABLE committed and the available offsets of these (no transaction with offsets of theirs is open), and
    /// bring them to [`super::ExactlyOnceWorker::positioned`] with the same number.
    FetchPositions {
        /// The question's number.
        fetch: FetchId,
        /// The partitions.
        partitions: Vec<PartitionId>,
    },
    /// Bring the local snapshot of the partition's state, if there is one, to [`super::ExactlyOnceWorker::snapshot_read`], in
    /// pieces of any size, and then call [`super::ExactlyOnceWorker::snapshot_ends`]. Ends with the epoch.
    LoadSnapshot {
        /// The partition.
        partition: PartitionId,
        /// The epoch, to come back with each piece.
        epoch: Epoch,
    },
    /// Fetch the high watermark of the partition's changelog NOW (not its last stable offset), bring what is committed
    /// below it to [`super::ExactlyOnceWorker::restoring`], and then call [`super::ExactlyOnceWorker::restored`]. What was
    /// asked for before under an earlier epoch of the partition is over.
    Restore {
        /// The partition.
        partition: PartitionId,
        /// The epoch that its batches must carry.
        epoch: Epoch,
        /// Where to begin; `None`: at the beginning. Where the changelog begins later or ends before, call
        /// [`super::ExactlyOnceWorker::snapshot_not_in_log`].
        from: Option<i64>,
    },
    /// Find out where the partition's changelog ends (its high watermark), and call
    /// [`super::ExactlyOnceWorker::changelog_ends`]. No answer is needed once the partition is gone.
    AskChangelogEnd {
        /// The partition.
        partition: PartitionId,
        /// The epoch that must come back.
        epoch: Epoch,
    },
    /// Write this where the local snapshot of the partition is to be; the last piece puts it there, in place of the one before.
    /// Then call [`super::ExactlyOnceWorker::snapshot_written`], whatever became of it.
    WriteSnapshot(SnapshotPiece),
    /// The local snapshot is not used, and the whole changelog is read instead: nothing to do but to tell.
    RefusedSnapshot {
        /// The partition.
        partition: PartitionId,
        /// Why.
        refusal: SnapshotRefusal,
    },
    /// Start reading these; batches carry the epoch. Also takes back what was read before.
    Read(Vec<ReadFrom>),
    /// Produce these in the transaction; the first ones begin it.
    Produce(Outputs),
    /// Produce the changes to the changelogs of their partitions, add the offsets with the group's metadata (read after
    /// all rebalance events were handled), commit, and bring the result to [`super::ExactlyOnceWorker::ended`].
    Commit {
        /// Which transaction; also in the metadata of each offset.
        tag: TransactionTag,
        /// Entries for the changelogs.
        changes: Changes,
        /// Of each partition that the transaction touched.
        offsets: Vec<CommitEntry>,
    },
    /// Abort the transaction, and bring the result.
    Abort,
    /// Unassign these: the worker has done with them. Answers a rebalance.
    Release(Vec<PartitionId>),
    /// The worker has stopped; `clean` when everything that was run is committed.
    Stopped {
        /// Whether nothing was left behind.
        clean: bool,
    },
    /// The flow must not go on; what is open is not committed.
    Fail(FlowError),
    /// Something a person should read in the log.
    Warn(String),
}

/// A piece of a snapshot.
#[derive(Clone, PartialEq, Eq)]
pub struct SnapshotPiece {
    /// The partition whose state it is of.
    pub partition: PartitionId,
    /// The epoch that must come back.
    pub epoch: Epoch,
    /// What to write behind the piece before.
    pub bytes: Vec<u8>,
    /// It is the first one: what was written of an earlier one that was not ended is thrown away.
    pub first: bool,
    /// It is the last one.
    pub last: bool,
}

impl std::fmt::Debug for SnapshotPiece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { partition, epoch, bytes, first, last } = self;
        write!(
            f,
            "SnapshotPiece({partition:?}, {epoch:?}, {} bytes, first: {first}, last: {last})",
            bytes.len()
        )
    }
}

/// How a transaction ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionResult {
    /// All of it is committed.
    Committed,
    /// Nothing of it is, and the producer can go on.
    Aborted(String),
    /// It is not known.
    Unknown(String),
    /// Nothing of it is: another producer or member has taken over.
    Fenced(String),
}

/// Where an assigned partition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The partition.
    pub partition: PartitionId,
    /// What the group has committed.
    pub committed: i64,
    /// Everything below was run.
    pub next: i64,
    /// Its snapshot or its changelog is being read; nothing is run yet.
    pub restoring: bool,
    /// It is the snapshot.
    pub loading: bool,
    /// Rows of its tables.
    pub rows: usize,
    /// Timers that are pending.
    pub timers: usize,
    /// Bytes of memory that rows and timers take.
    pub state_bytes: usize,
    /// The snapshot that this worker wrote last.
    pub snapshot: Option<SnapshotKept>,
}

/// A snapshot that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotKept {
    /// As of when it is complete: the uptime.
    pub complete_ms: u64,
    /// Its size.
    pub bytes: u64,
}

/// Effects for the flow's sinks, side by side in one buffer.
#[derive(Debug, Default, Clone)]
pub struct Outputs {
    bytes: Vec<u8>,
    /// Where each ends, and for which sink it is.
    ends: Vec<(SinkIndex, usize)>,
}

impl Outputs {
    /// Appends what `write` writes, for that sink.
    pub(super) fn push<R>(&mut self, sink: SinkIndex, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let result = write(&mut self.bytes);
        self.ends.push((sink, self.bytes.len()));
        result
    }

    /// Takes away all but the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        self.ends.truncate(len);
        self.bytes.truncate(self.ends.last().map_or(0, |(_, end)| *end));
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Their bytes together.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Each, in order: the sink, and the effect in the sink's own encoding.
    pub fn iter(&self) -> impl Iterator<Item = (SinkIndex, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        starts.zip(&self.ends).map(|(start, (sink, end))| (*sink, &self.bytes[start..*end]))
    }
}

/// Records for changelogs, side by side in one buffer.
#[derive(Debug, Default, Clone)]
pub struct Changes {
    bytes: Vec<u8>,
    records: Vec<(PartitionId, Range<usize>, Option<Range<usize>>)>,
}

impl Changes {
    pub(super) fn push(&mut self, partition: PartitionId, entry: &Entry<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(entry.name);
        let key = start..self.bytes.len();
        let has_value = entry.write_value(&mut self.bytes);
        let value = has_value.then_some(key.end..self.bytes.len());
        self.records.push((partition, key, value));
    }

    /// Each: the partition (the changelog has the source's numbers), the key, and the value if it has one.
    pub fn iter(&self) -> impl Iterator<Item = (PartitionId, &[u8], Option<&[u8]>)> {
        self.records.iter().map(|(partition, key, value)| {
            (*partition, &self.bytes[key.clone()], value.clone().map(|value| &self.bytes[value]))
        })
    }
}
