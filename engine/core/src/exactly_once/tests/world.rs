//! A broker with transactions, a group of two processes, and all that can happen between them.

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
const MEMBERS: usize = 2;
const HOUR_MS: i64 = 3_600_000;

/// Offset, key, value, event id.
pub(super) type Logged = (i64, u8, u8, Option<u8>);
type Changelog = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// A transaction that the broker was asked to commit.
struct Asked {
    changes: Changes,
    offsets: Vec<CommitEntry>,
}

/// A process, as the broker and the group know it.
struct Member {
    worker: ExactlyOnceWorker<Counting>,
    todo: VecDeque<Command>,
    reading: Vec<Option<(Epoch, i64)>>,
    /// By partition: what it was told. It may be somebody else's by now.
    told: Vec<Told>,
    /// Produced in the transaction that is open.
    open: Vec<(u8, Vec<u8>)>,
    /// Its outcome was not told, and is decided later: with the commit if there was one and it went through.
    undecided: Option<Option<Asked>>,
    clock_step_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    NotMine,
    Mine,
    Revoked,
}

pub(super) struct World {
    pub(super) rng: fastrand::Rng,
    pub(super) log: Vec<Vec<Logged>>,
    pub(super) committed: Vec<Option<(i64, String)>>,
    pub(super) changelogs: Vec<Changelog>,
    /// Sinks and lines that a `read_committed` reader sees.
    pub(super) output: Vec<(u8, Vec<u8>)>,
    members: Vec<Member>,
    /// By partition: whose it is in the group.
    owners: Vec<Option<usize>>,
    uptime_ms: u64,
    pub(super) faults: bool,
    pub(super) tally: BTreeMap<&'static str, u64>,
}

pub(super) fn settings() -> ExactlyOnceSettings {
    ExactlyOnceSettings {
        flow: String::new(),
        operator: String::new(),
        commit_interval_ms: 50,
        settle_ms: 3,
        transaction_runs_max: 6,
        transaction_bytes_max: 200,
        state: StateLimits { bytes_max: 1 << 20, row_bytes_max: 100 },
        drain_deadline_ms: 500,
        retry: RetrySchedule::default(),
        dedupe: Some(DedupeSettings { header: "id".to_owned(), window: WINDOW }),
        accept_lost_offsets: false,
        snapshots: None,
    }
}

const BORN_MS: u64 = 1_000;

/// The clocks at that uptime, both right.
fn at(uptime_ms: u64) -> Now {
    Now { uptime_ms, unix_ms: 1_700_000_000_000 + uptime_ms.cast_signed() }
}

/// A process that begins at that time, with its clock right.
fn member(seed: u64, now: Now) -> Member {
    let mut worker =
        ExactlyOnceWorker::new(settings(), Counting(SinkHandle::new(0)), 1, Box::new(Topic), seed);
    worker.wake(now);
    Member {
        worker,
        todo: VecDeque::new(),
        reading: vec![None; PARTITIONS as usize],
        told: vec![Told::NotMine; PARTITIONS as usize],
        open: Vec::new(),
        undecided: None,
        clock_step_ms: 0,
    }
}

/// A source does not answer for partitions that were all taken away after they were asked for.
fn give_up(todo: &mut VecDeque<Command>, taken: impl Fn(PartitionId) -> bool) {
    todo.retain(|command| match command {
        Command::FetchPositions { partitions, .. } => !partitions.iter().all(|id| taken(*id)),
        _ => true,
    });
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
        Self {
            log,
            committed: vec![None; PARTITIONS as usize],
            changelogs: vec![Vec::new(); PARTITIONS as usize],
            output: Vec::new(),
            members: (0..MEMBERS).map(|_| member(rng.u64(..), at(BORN_MS))).collect(),
            owners: vec![None; PARTITIONS as usize],
            uptime_ms: BORN_MS,
            faults: true,
            tally: BTreeMap::new(),
            rng,
        }
    }

    pub(super) fn true_ms(&self) -> i64 {
        at(self.uptime_ms).unix_ms
    }

    fn now(&self, member: usize) -> Now {
        Now { uptime_ms: self.uptime_ms, unix_ms: self.true_ms() + self.members[member].clock_step_ms }
    }

    /// Gives the member a partition that is nobody's.
    fn assign(&mut self, member: usize) {
        let now = self.now(member);
        let Member { told, worker, .. } = &mut self.members[member];
        let is_free = |id: &u32| told[*id as usize] == Told::NotMine && self.owners[*id as usize].is_none();
        let Some(id) = (0..PARTITIONS).find(is_free) else { return };
        self.owners[id as usize] = Some(member);
        told[id as usize] = Told::Mine;
        let name = PartitionName { topic: "t".into(), number: id as i32 };
        worker.assigned(vec![(PartitionId(id), name)], now);
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    /// Something happens to somebody.
    pub(super) fn step(&mut self) {
        let member = self.rng.usize(0..MEMBERS);
        let now = self.now(member);
        let Member { worker, todo, .. } = &mut self.members[member];
        todo.extend(std::iter::from_fn(|| worker.poll()));
        match self.rng.u8(0..20) {
            0..8 => self.obey(member),
            8..12 => self.read(member),
            12..14 => self.members[member].worker.idle(now),
            14..17 => self.pass_time(member),
            17 => self.tell(member),
            18 if self.faults => self.rebalance(member),
            19 if self.faults => match self.rng.u8(0..6) {
                0 => self.crash(member),
                1 => self.compact(),
                2 => {
                    let step_ms = self.rng.choice([-HOUR_MS, 0, HOUR_MS]).expect("there are three");
                    self.members[member].clock_step_ms = step_ms;
                }
                _ => {}
            },
            _ => self.assign(member),
        }
    }

    fn pass_time(&mut self, member: usize) {
        let wake_ms = self.members[member].worker.wake_at_ms().filter(|ms| *ms > self.uptime_ms);
        self.uptime_ms = match (self.rng.bool(), wake_ms) {
            (true, Some(wake_ms)) => wake_ms.min(self.uptime_ms + 20_000),
            _ => self.uptime_ms + self.rng.u64(0..100),
        };
        let now = self.now(member);
        self.members[member].worker.wake(now);
    }

    fn read(&mut self, member: usize) {
        let (id, now) = (PartitionId(self.rng.u32(0..PARTITIONS)), self.now(member));
        let Member { worker, reading, todo, .. } = &mut self.members[member];
        let committing = todo.iter().any(|command| matches!(command, Command::Commit { .. }));
        let (Some((epoch, from)), Some(limits)) = (reading[id.index()], worker.read_limits(id)) else {
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
            reading[id.index()] = Some((epoch, last + 1));
            worker.batch(batch, now);
            if committing {
                self.count("ahead");
            }
        }
    }

    /// The group takes a partition away from a member: it asks for it, or the member hears of it later.
    fn rebalance(&mut self, member: usize) {
        let (id, now) = (PartitionId(self.rng.u32(0..PARTITIONS)), self.now(member));
        if self.members[member].told[id.index()] != Told::Mine || self.owners[id.index()] != Some(member) {
            return self.assign(member);
        }
        if self.rng.bool() {
            self.count("revoked");
            self.members[member].told[id.index()] = Told::Revoked;
            let Member { told, worker, todo, .. } = &mut self.members[member];
            todo.extend(std::iter::from_fn(|| worker.poll()));
            give_up(todo, |asked| told[asked.index()] != Told::Mine);
            self.members[member].worker.revoked(vec![id], now);
        } else {
            self.count("lost");
            self.owners[id.index()] = None;
        }
    }

    /// The member hears of what it has lost.
    fn tell(&mut self, member: usize) {
        let now = self.now(member);
        let Member { told, worker, todo, .. } = &mut self.members[member];
        for id in (0..PARTITIONS).map(PartitionId) {
            let is_released =
                |command: &Command| matches!(command, Command::Release(ids) if ids.contains(&id));
            let lost = told[id.index()] != Told::NotMine && self.owners[id.index()] != Some(member);
            if lost && !todo.iter().any(is_released) {
                give_up(todo, |asked| asked == id || told[asked.index()] != Told::Mine);
                worker.lost(vec![id], now);
                todo.extend(std::iter::from_fn(|| worker.poll()));
            }
        }
    }

    fn crash(&mut self, member: usize) {
        self.count("crashes");
        let undecided = self.members[member].undecided.take();
        let open = std::mem::take(&mut self.members[member].open);
        let born = self::member(self.rng.u64(..), at(self.uptime_ms));
        // The transaction is still known to the broker.
        self.members[member] = Member { undecided, open, ..born };
        for owner in &mut self.owners {
            *owner = owner.filter(|owner| *owner != member);
        }
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
    fn obey(&mut self, member: usize) {
        let now = self.now(member);
        match self.members[member].todo.pop_front() {
            Some(Command::RenewProducer) => {
                self.decide(member);
                self.members[member].open.clear();
                self.members[member].worker.producer_ready(now);
            }
            Some(Command::FetchPositions { fetch, partitions }) => {
                (0..MEMBERS).for_each(|member| self.decide(member));
                let positions = partitions.iter().map(|partition| Positions {
                    partition: *partition,
                    committed: self.committed[partition.index()].clone(),
                    low: 0,
                    high: 1_000,
                });
                self.members[member].worker.positioned(fetch, positions.collect(), now);
            }
            Some(Command::Restore { partition, epoch, .. }) => self.restore(member, partition, epoch),
            Some(Command::Read(reads)) => {
                for read in reads {
                    self.members[member].reading[read.partition.index()] = Some((read.epoch, read.offset));
                }
            }
            Some(Command::Produce(outputs)) => {
                assert!(self.members[member].undecided.is_none(), "the transaction before has not ended");
                let lines = outputs.iter().map(|(sink, line)| (sink.0, line.to_vec()));
                self.members[member].open.extend(lines);
            }
            Some(Command::Commit { changes, offsets, .. }) => self.commit(member, Asked { changes, offsets }),
            Some(Command::Abort) => {
                self.count("aborts asked");
                match self.rng.u8(0..5) {
                    0 => self.end(member, Some(None), TransactionResult::Unknown(String::new())),
                    _ => self.end(member, None, TransactionResult::Aborted(String::new())),
                }
            }
            Some(Command::Release(partitions)) => {
                for partition in partitions {
                    self.members[member].reading[partition.index()] = None;
                    self.members[member].told[partition.index()] = Told::NotMine;
                    let owner = &mut self.owners[partition.index()];
                    *owner = owner.filter(|owner| *owner != member);
                }
            }
            Some(Command::Fail(error)) => panic!("{error}"),
            Some(Command::Stopped { .. }) => panic!("nobody asked it to stop"),
            Some(Command::Warn(_)) | None => {}
            Some(
                Command::LoadSnapshot { .. }
                | Command::AskChangelogEnd { .. }
                | Command::WriteSnapshot(_)
                | Command::RefusedSnapshot { .. },
            ) => panic!("there are no snapshots here"),
        }
    }

    fn restore(&mut self, member: usize, partition: PartitionId, epoch: Epoch) {
        let now = self.now(member);
        let worker = &mut self.members[member].worker;
        for (number, records) in self.changelogs[partition.index()].chunks(3).enumerate() {
            let mut batch = Batch::new(partition, epoch);
            for (index, (key, value)) in records.iter().enumerate() {
                let offset = (number * 3 + index) as i64;
                batch.push(offset, 0, Some(key), value.as_deref(), &[]);
            }
            worker.restoring(batch, now);
        }
        worker.restored(partition, epoch, self.changelogs[partition.index()].len() as i64, now);
    }

    /// The offsets come first: with them, the group fences who does not own their partitions any more.
    fn commit(&mut self, member: usize, asked: Asked) {
        if asked.offsets.iter().any(|entry| self.owners[entry.partition.index()] != Some(member)) {
            self.count("zombies");
            return self.end(member, None, TransactionResult::Fenced(String::new()));
        }
        let happens = if self.faults { self.rng.u8(0..20) } else { 0 };
        match happens {
            0..12 => {
                self.apply(member, &asked);
                self.end(member, None, TransactionResult::Committed);
            }
            12..14 => {
                self.count("aborted");
                self.end(member, None, TransactionResult::Aborted(String::new()));
            }
            14..18 => {
                self.count("unknown");
                let undecided = self.rng.bool().then_some(asked);
                self.end(member, Some(undecided), TransactionResult::Unknown(String::new()));
            }
            18 => {
                self.count("fenced");
                self.end(member, None, TransactionResult::Fenced(String::new()));
            }
            _ => {
                self.members[member].undecided = Some(self.rng.bool().then_some(asked));
                self.crash(member);
            }
        }
    }

    fn end(&mut self, member: usize, undecided: Option<Option<Asked>>, result: TransactionResult) {
        let now = self.now(member);
        let member = &mut self.members[member];
        if undecided.is_none() {
            member.open.clear();
        }
        member.undecided = undecided;
        member.worker.ended(result, now);
    }

    /// The marker of the member's transaction is written at last.
    fn decide(&mut self, member: usize) {
        match self.members[member].undecided.take() {
            Some(Some(asked)) => self.apply(member, &asked),
            Some(None) => self.members[member].open.clear(),
            None => {}
        }
    }

    fn apply(&mut self, member: usize, asked: &Asked) {
        self.output.append(&mut self.members[member].open);
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
