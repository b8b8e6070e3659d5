//! A process with its worker.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use thalweg_core::batch::Batch;
use thalweg_core::sink::LaneId;
use thalweg_core::worker::{FetchId, SinkIndex, Worker};

use crate::broker::offsets::Start;
use crate::life::{Life, Reading};
use crate::sabotage::Behaviour;
use crate::world::event::Message;

/// How wrong the wall clock of a machine may be.
const SKEW_MS: i64 = 10_000;

pub(crate) struct Process<O> {
    pub(crate) life: Life<Message>,
    pub(crate) worker: Option<Worker<O, Behaviour>>,
    pub(crate) reading: BTreeMap<u32, Reading>,
    /// The latest question for the positions of each partition that was assigned and not taken away since.
    pub(crate) asked: BTreeMap<u32, FetchId>,
    /// Partitions whose latest question was answered, and that may be read from then on.
    pub(crate) told: BTreeSet<u32>,
    pub(crate) starts: Rc<BTreeMap<u32, Start>>,
    /// Requests that are waited for.
    pub(crate) outstanding: BTreeMap<(SinkIndex, LaneId), u64>,
    pub(crate) spare: Vec<Batch>,
    /// It was suspended and must not send before a commit was answered.
    pub(crate) must_fence: bool,
    /// The commit that is out was asked for since.
    pub(crate) fence_is_out: bool,
    /// Whether it goes on when offsets were lost to retention.
    pub(crate) accepts_lost_offsets: bool,
}

impl<O> Process<O> {
    pub(crate) fn new(rng: &mut fastrand::Rng) -> Self {
        Self {
            life: Life::new(SKEW_MS, rng),
            worker: None,
            reading: BTreeMap::new(),
            asked: BTreeMap::new(),
            told: BTreeSet::new(),
            starts: Rc::default(),
            outstanding: BTreeMap::new(),
            spare: Vec::new(),
            must_fence: false,
            fence_is_out: false,
            accepts_lost_offsets: false,
        }
    }

    /// Everything that dies with the process.
    pub(crate) fn forget_life(&mut self) {
        if let Some(worker) = self.worker.take() {
            // Records whose outcome is open panic when a debug build drops them, and that is right everywhere but here.
            if cfg!(debug_assertions) {
                std::mem::forget(worker);
            }
        }
        self.life.end();
        self.reading.clear();
        self.asked.clear();
        self.told.clear();
        self.starts = Rc::default();
        self.outstanding.clear();
        self.spare.clear();
        self.must_fence = false;
        self.fence_is_out = false;
    }
}
