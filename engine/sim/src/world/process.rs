//! A process with its worker.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use thalweg_core::batch::Batch;
use thalweg_core::position::Epoch;
use thalweg_core::sink::LaneId;
use thalweg_core::time::Now;
use thalweg_core::worker::{FetchId, SinkIndex, Worker};

use crate::broker::group::MemberId;
use crate::broker::offsets::Start;
use crate::sabotage::Behaviour;
use crate::world::event::{Incarnation, Message};

/// How far a partition was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) epoch: Epoch,
    pub(crate) next: i64,
}

#[derive(Debug, Default)]
pub(crate) enum State {
    #[default]
    Down,
    Up,
    /// Stopped by SIGSTOP; what arrives meanwhile waits.
    Frozen(VecDeque<Message>),
}

pub(crate) struct Process<O> {
    pub(crate) state: State,
    pub(crate) incarnation: Incarnation,
    pub(crate) worker: Option<Worker<O, Behaviour>>,
    pub(crate) member: Option<MemberId>,
    pub(crate) generation: u64,
    /// Partitions that the group gave and that were not released.
    pub(crate) owned: BTreeSet<u32>,
    pub(crate) reading: BTreeMap<u32, Reading>,
    /// The latest question for the positions of each partition that was assigned and not taken away since.
    pub(crate) asked: BTreeMap<u32, FetchId>,
    /// Partitions whose latest question was answered, and that may be read from then on.
    pub(crate) told: BTreeSet<u32>,
    pub(crate) starts: Rc<BTreeMap<u32, Start>>,
    /// Requests that are waited for.
    pub(crate) outstanding: BTreeMap<(SinkIndex, LaneId), u64>,
    pub(crate) spare: Vec<Batch>,
    pub(crate) wake_at_ms: Option<u64>,
    pub(crate) last_turn_ms: u64,
    /// It was suspended and must not send before a commit was answered.
    pub(crate) must_fence: bool,
    /// The commit that is out was asked for since.
    pub(crate) fence_is_out: bool,
    /// Whether it goes on when offsets were lost to retention.
    pub(crate) accepts_lost_offsets: bool,
    /// It was asked to stop: when it must have.
    pub(crate) stops_by_ms: Option<u64>,
    /// When it starts again after it has stopped.
    pub(crate) back_after_ms: u64,
    /// Notices arrive in the order in which they were sent.
    pub(crate) last_notice_ms: u64,
    uptime_offset_ms: u64,
    wall_offset_ms: i64,
    wakes_without_time: u32,
}

impl<O> Process<O> {
    pub(crate) fn new(rng: &mut fastrand::Rng) -> Self {
        Self {
            state: State::Down,
            incarnation: 0,
            worker: None,
            member: None,
            generation: 0,
            owned: BTreeSet::new(),
            reading: BTreeMap::new(),
            asked: BTreeMap::new(),
            told: BTreeSet::new(),
            starts: Rc::default(),
            outstanding: BTreeMap::new(),
            spare: Vec::new(),
            wake_at_ms: None,
            last_turn_ms: 0,
            must_fence: false,
            fence_is_out: false,
            accepts_lost_offsets: false,
            stops_by_ms: None,
            back_after_ms: 0,
            last_notice_ms: 0,
            uptime_offset_ms: rng.u64(0..1_000_000),
            wall_offset_ms: 1_700_000_000_000 + rng.i64(-10_000..10_000),
            wakes_without_time: 0,
        }
    }

    /// Its clocks.
    pub(crate) fn now(&self, now_ms: u64) -> Now {
        Now { uptime_ms: now_ms + self.uptime_offset_ms, unix_ms: now_ms as i64 + self.wall_offset_ms }
    }

    /// An uptime of this process, as simulated time.
    pub(crate) fn at_ms(&self, uptime_ms: u64) -> u64 {
        uptime_ms.saturating_sub(self.uptime_offset_ms)
    }

    pub(crate) fn jump_wall_clock(&mut self, by_ms: i64) {
        self.wall_offset_ms += by_ms;
    }

    /// Counts turns at which no time has passed: too many in a row, and the worker is going round in circles.
    pub(crate) fn is_spinning(&mut self, now_ms: u64) -> bool {
        self.wakes_without_time = if self.last_turn_ms == now_ms { self.wakes_without_time + 1 } else { 0 };
        self.wakes_without_time > 10_000
    }

    /// Everything that dies with the process.
    pub(crate) fn forget_life(&mut self) {
        if let Some(worker) = self.worker.take() {
            // Records whose outcome is open panic when a debug build drops them, and that is right everywhere but here.
            if cfg!(debug_assertions) {
                std::mem::forget(worker);
            }
        }
        self.state = State::Down;
        self.member = None;
        self.owned.clear();
        self.reading.clear();
        self.asked.clear();
        self.told.clear();
        self.starts = Rc::default();
        self.outstanding.clear();
        self.spare.clear();
        self.wake_at_ms = None;
        self.must_fence = false;
        self.fence_is_out = false;
        self.stops_by_ms = None;
        self.last_notice_ms = 0;
    }
}
