//! What is going to happen. Who is meant is told by a life of a process: what is for a life that is over is for nobody.

use thalweg_core::batch::Batch;
use thalweg_core::exactly_once::TransactionResult;
use thalweg_core::position::{Epoch, PartitionId};
use thalweg_core::worker::{FetchId, Positions};

use crate::broker::cluster::{Answer, Asker, Request};
use crate::broker::group::{MemberId, Notice};
use crate::broker::transactions::{Place, TransactionNumber};
use crate::life::Incarnation;
use crate::transactional::plan::Fault;

/// Something that is going to happen.
#[derive(Debug)]
pub(crate) enum Event {
    /// More records are produced.
    Produce,
    /// The next fault of the plan strikes.
    Fault(Fault),
    /// All faults end.
    Heal,
    /// The world looks after group and transactions, at what readers see, and after whether all is done.
    Look,
    /// A process starts.
    Start(usize),
    /// A stopped process goes on.
    Thaw(Incarnation),
    /// A process dies.
    Die(Incarnation),
    /// A process wants to join the group.
    Join(Incarnation),
    /// A process has released partitions.
    Released(MemberId, Vec<u32>),
    /// A producer's request arrives at the broker.
    Request(Asker, Request),
    /// A transaction's marker is written.
    Marker { transaction: TransactionNumber, committed: bool, place: Place },
    /// A question for positions arrives at the broker.
    AskPositions(Incarnation, FetchId, Vec<PartitionId>),
    /// A question for a changelog's end arrives at the broker.
    AskChangelogEnd(Incarnation, PartitionId, Epoch, Purpose),
    /// Something arrives at a process.
    Process(Incarnation, Message),
}

/// What the end of a changelog is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It is to be read up to there, from that offset on; from the beginning where there is none.
    Restore(Option<i64>),
    /// A snapshot.
    Snapshot,
}

/// Something that arrives at a process.
#[derive(Debug)]
pub(crate) enum Message {
    /// The worker wanted to be woken at that time.
    Wake(u64),
    /// Time to read.
    Read,
    /// Records that were read.
    Batch(Batch),
    /// Time to tell the group that it lives.
    Heartbeat,
    /// A producer's request is answered.
    Answer(u64, Answer),
    /// No answer to a producer's request has come in time since it was sent for the so-manieth time.
    Timeout(u64, u32),
    /// Time to send a producer's request for the so-manieth time.
    Again(u64, u32),
    /// A transaction has ended.
    Ended(TransactionResult),
    /// The producer is there.
    ProducerReady,
    /// Positions that were asked for.
    Positioned(FetchId, Vec<Positions>),
    /// A changelog ends there.
    ChangelogEnd(PartitionId, Epoch, Purpose, i64),
    /// Time to read more of a changelog.
    Restore(PartitionId, Epoch),
    /// A piece of a snapshot that is on the disk.
    SnapshotRead(PartitionId, Epoch, Vec<u8>),
    /// That was all of it, or there is none.
    SnapshotEnds(PartitionId, Epoch, bool),
    /// Whether a piece of a snapshot was written, and all of it if it was the last.
    SnapshotWritten(PartitionId, Epoch, bool, Option<Vec<u8>>),
    /// The coordinator says something.
    Notice(MemberId, Notice),
    /// The coordinator does not know the member any more.
    Unknown(MemberId),
}
