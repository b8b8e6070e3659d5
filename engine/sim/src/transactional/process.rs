//! A process with its exactly-once worker and its producer.

use std::collections::{BTreeMap, BTreeSet};

use thalweg_core::batch::Batch;
use thalweg_core::exactly_once::ExactlyOnceWorker;
use thalweg_core::position::Epoch;

use crate::counter_flow::operator::CounterOperator;
use crate::life::{Life, Reading};
use crate::sabotage::Behaviour;
use crate::transactional::client::Client;
use crate::transactional::event::Message;

/// How wrong the wall clock of a machine is at most when a process starts.
pub(crate) const SKEW_MS: i64 = 20;

pub(crate) type Worker = ExactlyOnceWorker<CounterOperator, Behaviour>;

/// A changelog that is being read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Restoring {
    pub(crate) epoch: Epoch,
    /// Where reading began, behind a snapshot.
    pub(crate) from: Option<i64>,
    /// The next offset to read.
    pub(crate) next: i64,
    /// Where it ended when restoring began.
    pub(crate) end: i64,
}

pub(crate) struct Process {
    /// Its number; that of a process that was replaced is also another's.
    pub(crate) number: usize,
    pub(crate) life: Life<Message>,
    pub(crate) worker: Option<Worker>,
    /// How much state its worker may hold of a partition.
    pub(crate) state_bytes_max: usize,
    pub(crate) client: Client,
    pub(crate) reading: BTreeMap<u32, Reading>,
    /// Partitions and epochs of batches that were read, and lie around: nothing after them is read before.
    pub(crate) late: BTreeSet<(u32, u32)>,
    pub(crate) restoring: BTreeMap<u32, Restoring>,
    /// Where changelogs ended when positions were first asked for: what a careless driver would restore to.
    pub(crate) first_ends: BTreeMap<u32, i64>,
    pub(crate) spare: Vec<Batch>,
    /// Snapshots by partition: the disk outlives the process.
    pub(crate) disk: BTreeMap<u32, Vec<u8>>,
    /// One that is not all written.
    pub(crate) half_written: Vec<u8>,
}

impl Process {
    pub(crate) fn new(number: usize, rng: &mut fastrand::Rng) -> Self {
        Self {
            number,
            life: Life::new(SKEW_MS, rng),
            worker: None,
            state_bytes_max: 0,
            client: Client::new(0),
            reading: BTreeMap::new(),
            late: BTreeSet::new(),
            restoring: BTreeMap::new(),
            first_ends: BTreeMap::new(),
            spare: Vec::new(),
            disk: BTreeMap::new(),
            half_written: Vec::new(),
        }
    }

    /// Everything that dies with the process.
    pub(crate) fn end_life(&mut self) {
        self.life.end();
        self.worker = None;
        self.reading.clear();
        self.late.clear();
        self.restoring.clear();
        self.first_ends.clear();
        self.spare.clear();
        self.half_written.clear();
    }
}
