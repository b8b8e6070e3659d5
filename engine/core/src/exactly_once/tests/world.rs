//! A broker with transactions, one process after the other, and all that can happen between them.

use std::collections::{BTreeMap, VecDeque};

use super::operator::{Counting, Topic};
use crate::batch::Batch;
use crate::exactly_once::{Changes, Command, ExactlyOnceSettings, ExactlyOnceWorker, TransactionResult};
use crate::headers::encode_headers;
use crate::position::{Epoch, PartitionId};
use crate::retry::RetrySchedule;
use crate::sink::SinkHandle;
use crate::state::StateLimits;
use crate::time::Now;
use crate::worker::{CommitEntry, DedupeSettings, PartitionName, Positions};

pub(super) const PARTITIONS: u32 = 2;
pub(super) const WINDOW: u64 = 9;
const HOUR_MS: i64 = 3_600_000;

/// Offset, key, value, event id.
pub(super) type Logged = (i64, u8, u8, Option<u8>);
type Changelog = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// A transaction that the broker was asked to commit.
struct Asked {
    changes: Changes,
    offsets: Vec<CommitEntry>,
}

pub(super) struct World {
    pub(super) rng: fastrand::Rng,
    pub(super) log: Vec<Vec<Logged>>,
    pub(super) committed: Vec<Option<(i64, String)>>,
    pub(super) changelogs: Vec<Changelog>,
    /// Sinks and lines that a `read_committed` reader sees.
    pub(super) output: Vec<(u8, Vec<u8>)>,
    /// Produced in the transaction that is open.
    open: Vec<(u8, Vec<u8>)>,
    /// Its outcome was not told, and is decided later: with the commit if there was one and it went through.
    undecided: Option<Option<Asked>>,
    pub(super) worker: ExactlyOnceWorker<Counting>,
    todo: VecDeque<Command>,
    reading: Vec<Option<(Epoch, i64)>>,
    assigned: Vec<bool>,
    /// Assigned, and asked back.
    revoked: Vec<bool>,
    uptime_ms: u64,
    clock_step_ms: i64,
    pub(super) faults: bool,
    pub(super) tally: BTreeMap<&'static str, u64>,
}

pub(super) fn settings() -> ExactlyOnceSettings {
    ExactlyOnceSettings {
        flow: String::new(),
        operator: String::new(),
        commit_interval_ms: 50,
        transaction_runs_max: 6,
        transaction_bytes_max: 200,
        state: StateLimits { bytes_max: 1 << 20, row_bytes_max: 100 },
        drain_deadline_ms: 500,
        retry: RetrySchedule::default(),
        dedupe: Some(DedupeSettings { header: "id".to_owned(), window: WINDOW }),
        accept_lost_offsets: false,
    }
}

fn worker(seed: u64) -> ExactlyOnceWorker<Counting> {
    ExactlyOnceWorker::new(settings(), Counting(SinkHandle::new(0)), 1, Box::new(Topic), seed)
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut log: Vec<Vec<Logged>> = vec![Vec::new(); PARTITIONS as usize];
        for (number, partition) in log.iter_mut().enumerate() {
            let mut offset = 0;
            for _ in 0..rng.usize(0..40) {
                // Gaps are normal, and a key lives in one partition.
                offset += rng.i64(1..4);
                let key = rng.u8(0..3) * 2 + number as u8;
                partition.push((offset, key, rng.u8(..), rng.bool().then(|| rng.u8(0..12))));
            }
        }
        let mut world = Self {
            log,
            committed: vec![None; PARTITIONS as usize],
            changelogs: vec![Vec::new(); PARTITIONS as usize],
            output: Vec::new(),
            open: Vec::new(),
            undecided: None,
            worker: worker(rng.u64(..)),
            todo: VecDeque::new(),
            reading: vec![None; PARTITIONS as usize],
            assigned: vec![false; PARTITIONS as usize],
            revoked: vec![false; PARTITIONS as usize],
            uptime_ms: 1_000,
            clock_step_ms: 0,
            faults: true,
            tally: BTreeMap::new(),
            rng,
        };
        world.assign_all();
        world
    }

    fn now(&self) -> Now {
        let unix_ms = self.true_ms() + self.clock_step_ms;
        Now { uptime_ms: self.uptime_ms, unix_ms }
    }

    pub(super) fn true_ms(&self) -> i64 {
        1_700_000_000_000 + self.uptime_ms.cast_signed()
    }

    fn assign_all(&mut self) {
        let ids: Vec<_> = (0..PARTITIONS).filter(|id| !self.assigned[*id as usize]).collect();
        let named = |id: &u32| (PartitionId(*id), PartitionName { topic: "t".into(), number: *id as i32 });
        if !ids.is_empty() {
            self.assigned = vec![true; PARTITIONS as usize];
            self.worker.assigned(ids.iter().map(named).collect(), self.now());
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    /// Something happens.
    pub(super) fn step(&mut self) {
        while let Some(command) = self.worker.poll() {
            self.todo.push_back(command);
        }
        match self.rng.u8(0..20) {
            0..8 => self.obey(),
            8..13 => self.read(),
            13..15 => self.worker.idle(self.now()),
            15..18 => self.pass_time(),
            18 if self.faults => self.rebalance(),
            19 if self.faults => match self.rng.u8(0..6) {
                0 => self.crash(),
                1 => self.compact(),
                2 => self.clock_step_ms = self.rng.choice([-HOUR_MS, 0, HOUR_MS]).expect("there are three"),
                _ => {}
            },
            _ => self.assign_all(),
        }
    }

    fn pass_time(&mut self) {
        let wake_ms = self.worker.wake_at_ms().filter(|ms| *ms > self.uptime_ms);
        self.uptime_ms = match (self.rng.bool(), wake_ms) {
            (true, Some(wake_ms)) => wake_ms.min(self.uptime_ms + 20_000),
            _ => self.uptime_ms + self.rng.u64(0..100),
        };
        self.worker.wake(self.now());
    }

    fn read(&mut self) {
        let id = PartitionId(self.rng.u32(0..PARTITIONS));
        let (Some((epoch, from)), Some(limits)) = (self.reading[id.index()], self.worker.read_limits(id))
        else {
            return;
        };
        let mut batch = Batch::new(id, epoch);
        let most = limits.records.min(self.rng.usize(1..6));
        for (offset, key, value, event) in
            self.log[id.index()].iter().filter(|(at, ..)| *at >= from).take(most)
        {
            let mut headers = Vec::new();
            let event = event.map(|event| [event]);
            let header = event.iter().map(|event| (&b"id"[..], Some(&event[..])));
            encode_headers(header, &mut headers);
            batch.push(*offset, 0, Some(&[*key]), Some(&[*value]), &headers);
        }
        if let Some(last) = batch.last_offset() {
            self.reading[id.index()] = Some((epoch, last + 1));
            self.worker.batch(batch, self.now());
        }
    }

    /// The group takes a partition away, with or without asking, or gives all.
    fn rebalance(&mut self) {
        let id = PartitionId(self.rng.u32(0..PARTITIONS));
        let is_released = |command: &Command| matches!(command, Command::Release(ids) if ids.contains(&id));
        if !self.assigned[id.index()] || self.todo.iter().any(is_released) || self.rng.bool() {
            return self.assign_all();
        }
        if self.rng.bool() && !self.revoked[id.index()] {
            self.count("revoked");
            self.revoked[id.index()] = true;
            self.worker.revoked(vec![id], self.now());
        } else {
            self.count("lost");
            self.worker.lost(vec![id], self.now());
        }
    }

    fn crash(&mut self) {
        self.count("crashes");
        self.worker = worker(self.rng.u64(..));
        self.todo.clear();
        self.reading = vec![None; PARTITIONS as usize];
        self.assigned = vec![false; PARTITIONS as usize];
        self.revoked = vec![false; PARTITIONS as usize];
        self.clock_step_ms = 0;
        self.assign_all();
    }

    /// The last record of each key stays; tombstones go.
    fn compact(&mut self) {
        for changelog in &mut self.changelogs {
            let all = std::mem::take(changelog);
            let last = |index: usize| !all[index + 1..].iter().any(|(key, _)| *key == all[index].0);
            let kept = (0..all.len()).filter(|index| last(*index) && all[*index].1.is_some());
            *changelog = kept.map(|index| all[index].clone()).collect();
        }
    }

    /// The driver does what it was told first.
    fn obey(&mut self) {
        let now = self.now();
        match self.todo.pop_front() {
            Some(Command::RenewProducer) => {
                self.decide();
                self.open.clear();
                self.worker.producer_ready(now);
            }
            Some(Command::FetchPositions { fetch, partitions }) => {
                self.decide();
                let positions = partitions.iter().map(|partition| Positions {
                    partition: *partition,
                    committed: self.committed[partition.index()].clone(),
                    low: 0,
                    high: 1_000,
                });
                self.worker.positioned(fetch, positions.collect(), now);
            }
            Some(Command::Restore { partition, epoch }) => self.restore(partition, epoch),
            Some(Command::Read(reads)) => {
                for read in reads {
                    self.reading[read.partition.index()] = Some((read.epoch, read.offset));
                }
            }
            Some(Command::Produce(outputs)) => {
                assert!(self.undecided.is_none(), "the transaction before has not ended");
                self.open.extend(outputs.iter().map(|(sink, line)| (sink.0, line.to_vec())));
            }
            Some(Command::Commit { changes, offsets, .. }) => self.commit(Asked { changes, offsets }),
            Some(Command::Abort) => {
                self.count("aborts asked");
                if self.rng.u8(0..5) == 0 {
                    self.undecided = Some(None);
                    self.worker.ended(TransactionResult::Unknown(String::new()), now);
                } else {
                    self.open.clear();
                    self.worker.ended(TransactionResult::Aborted(String::new()), now);
                }
            }
            Some(Command::Release(partitions)) => {
                for partition in partitions {
                    self.reading[partition.index()] = None;
                    self.assigned[partition.index()] = false;
                    self.revoked[partition.index()] = false;
                }
            }
            Some(Command::Fail(error)) => panic!("{error}"),
            Some(Command::Stopped { .. }) => panic!("nobody asked it to stop"),
            Some(Command::Warn(_)) | None => {}
        }
    }

    fn restore(&mut self, partition: PartitionId, epoch: Epoch) {
        for (number, records) in self.changelogs[partition.index()].chunks(3).enumerate() {
            let mut batch = Batch::new(partition, epoch);
            for (index, (key, value)) in records.iter().enumerate() {
                let offset = (number * 3 + index) as i64;
                batch.push(offset, 0, Some(key), value.as_deref(), &[]);
            }
            self.worker.restoring(batch, self.now());
        }
        self.worker.restored(partition, epoch, self.now());
    }

    fn commit(&mut self, asked: Asked) {
        let now = self.now();
        let happens = if self.faults { self.rng.u8(0..20) } else { 0 };
        match happens {
            0..12 => {
                self.apply(&asked);
                self.worker.ended(TransactionResult::Committed, now);
            }
            12..14 => {
                self.count("aborted");
                self.open.clear();
                self.worker.ended(TransactionResult::Aborted(String::new()), now);
            }
            14..18 => {
                self.count("unknown");
                self.undecided = Some(self.rng.bool().then_some(asked));
                self.worker.ended(TransactionResult::Unknown(String::new()), now);
            }
            18 => {
                self.count("fenced");
                self.open.clear();
                self.worker.ended(TransactionResult::Fenced(String::new()), now);
            }
            _ => {
                self.undecided = Some(self.rng.bool().then_some(asked));
                self.crash();
            }
        }
    }

    /// The marker of a transaction is written at last.
    fn decide(&mut self) {
        match self.undecided.take() {
            Some(Some(asked)) => self.apply(&asked),
            Some(None) => self.open.clear(),
            None => {}
        }
    }

    fn apply(&mut self, asked: &Asked) {
        self.output.append(&mut self.open);
        for (partition, key, value) in asked.changes.iter() {
            self.changelogs[partition.index()].push((key.to_vec(), value.map(<[u8]>::to_vec)));
        }
        for entry in &asked.offsets {
            let before =
                self.committed[entry.partition.index()].as_ref().map_or(0, |(position, _)| *position);
            assert!(entry.position >= before, "commits do not go back");
            self.committed[entry.partition.index()] = Some((entry.position, entry.metadata.clone()));
        }
    }
}
