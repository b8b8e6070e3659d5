//! What is going to happen.

use std::collections::BTreeMap;
use std::rc::Rc;

use thalweg_core::position::PartitionId;
use thalweg_core::sink::{LaneId, Reply, Request};
use thalweg_core::worker::{CommitEntry, CommitResult, FetchId, Positions, SinkIndex};

use crate::broker::group::{MemberId, Notice};
use crate::broker::offsets::Start;
use crate::life::Incarnation;
use crate::plan::Fault;

/// Something that is going to happen.
#[derive(Debug)]
pub(crate) enum Event {
    /// More records are produced.
    Produce,
    /// The next fault of the plan strikes.
    Fault(Fault),
    /// All faults end.
    Heal,
    /// All have been down for long; retention strikes.
    Outlived,
    /// The world looks after the group, and after whether all is done.
    Look,
    /// A process starts.
    Start(usize),
    /// A stopped process goes on.
    Thaw(usize, Incarnation),
    /// A request arrives at an outside system.
    Arrive(Travel),
    /// A process wants to join the group.
    Join(usize, Incarnation),
    /// A process has released partitions.
    Released(MemberId, Vec<u32>),
    /// A commit arrives at the broker.
    Commit {
        process: usize,
        incarnation: Incarnation,
        member: MemberId,
        generation: u64,
        entries: Vec<CommitEntry>,
    },
    /// A question for positions arrives at the broker.
    AskPositions(usize, Incarnation, FetchId, Vec<PartitionId>),
    /// Something arrives at a process.
    Process(usize, Incarnation, Message),
}

/// Something that arrives at a process.
#[derive(Debug)]
pub(crate) enum Message {
    /// The worker wanted to be woken at that time.
    Wake(u64),
    /// Time to read.
    Read,
    /// Time to tell the group that it lives.
    Heartbeat,
    /// The reply to a request; `id` tells whether it is still waited for.
    Reply { id: u64, sink: SinkIndex, lane: LaneId, reply: Reply },
    /// A commit's result.
    Committed(CommitResult),
    /// Positions that were asked for.
    Positioned(FetchId, Vec<Positions>),
    /// The coordinator says something.
    Notice(MemberId, Notice),
    /// The coordinator does not know the member any more.
    Unknown(MemberId),
}

/// A request on its way.
#[derive(Debug)]
pub(crate) struct Travel {
    pub(crate) id: u64,
    pub(crate) process: usize,
    pub(crate) incarnation: Incarnation,
    pub(crate) sink: SinkIndex,
    pub(crate) lane: LaneId,
    pub(crate) request: Request,
    pub(crate) gives_up_ms: u64,
    /// Where the sender had begun to read its partitions when it sent this.
    pub(crate) starts: Rc<BTreeMap<u32, Start>>,
}
