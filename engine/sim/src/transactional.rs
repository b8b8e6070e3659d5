//! The simulated world of an exactly-once flow: a broker with transactions, a group, processes with their workers and
//! producers, and readers of committed records who see everything that the flow does.

mod client;
mod disaster;
mod driving;
mod event;
mod membership;
mod plan;
mod positions;
mod process;
mod readers;
mod requests;
mod run;
mod snapshots;

use std::collections::BTreeMap;

use crate::broker::cluster::Cluster;
use crate::broker::group::Group;
use crate::broker::log::Log;
use crate::broker::transactions::Topic;
use crate::checks::{Checked, Violation};
use crate::counter_flow::reader::Reader;
use crate::counter_flow::traffic::Traffic;
use crate::life::{Incarnation, State, UNIX_MS};
use crate::queue::Queue;
use crate::sabotage::{Behaviour, DriverBug};
use crate::tally::{Count, Tally};
use crate::trace::{Trace, Watch};
use event::{Event, Message};
use plan::{Plan, Trouble};
use process::{Process, SKEW_MS};
use requests::LATE_MS_MAX;
pub use run::run;

/// The topic that the flow reads.
const TOPIC: &str = "commands";

/// Where its dead letters go.
const LETTERS: &str = "commands.dlq";

/// The world looks around this often.
const LOOK_EVERY_MS: u64 = 250;

/// From the end of all faults to lag 0 at most: sessions expire, waits after fences and aborts end, timers that set the
/// next one come to the last.
const HEALS_WITHIN_MS: u64 = 90_000;

/// What brokers allow a transaction by default (`transaction.max.timeout.ms`).
const BROKERS_TIMEOUT_MS: u64 = 900_000;

/// The history of one seed: what is in it now.
struct World {
    plan: Plan,
    behaviour: Behaviour,
    rng: fastrand::Rng,
    now_ms: u64,
    queue: Queue<Event>,
    log: Log,
    cluster: Cluster,
    group: Group,
    processes: Vec<Process>,
    /// By trouble: percent, and until when.
    troubles: [(u8, u64); Trouble::ALL.len()],
    /// Processes that are to be stopped in the middle of their next transaction, and for how long.
    freezes_in_transaction: BTreeMap<usize, u64>,
    /// How often the group is yet to give a process up because markers of its transaction are late.
    expels_before_markers: u32,
    traffic: Traffic,
    reader: Reader,
    /// Which process has, or had, each transactional id.
    instances: BTreeMap<u64, usize>,
    /// Where readers of committed records stand.
    seen: BTreeMap<(Topic, u32), i64>,
    /// What all lives of processes that are over say to have done.
    ended: thalweg_core::worker::Accounts,
    fired: u64,
    tally: Tally,
    trace: Trace,
    produced: usize,
    healed: bool,
    /// All is done; processes are stopping.
    closing: bool,
    /// When the last process that has stopped did so.
    last_stop_ms: u64,
    next_id: u64,
}

impl World {
    fn new(seed: u64, behaviour: Behaviour, watch: Watch) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let plan = Plan::of(&mut rng);
        let window = plan.worker.dedupe.as_ref().map_or(0, |dedupe| dedupe.window);
        let mut world = Self {
            log: Log::new(plan.partitions, &mut rng),
            cluster: Cluster::new(plan.partitions, plan.outputs),
            group: Group::new(plan.group, plan.partitions),
            processes: (0..plan.processes).map(|number| Process::new(number, &mut rng)).collect(),
            troubles: [(0, 0); Trouble::ALL.len()],
            freezes_in_transaction: BTreeMap::new(),
            expels_before_markers: 0,
            traffic: Traffic::new(plan.partitions, window, &mut rng),
            reader: Reader::new(plan.partitions, window, SKEW_MS),
            instances: BTreeMap::new(),
            seen: BTreeMap::new(),
            ended: thalweg_core::worker::Accounts::default(),
            fired: 0,
            tally: Tally::default(),
            trace: Trace::new(watch),
            behaviour,
            rng,
            now_ms: 0,
            queue: Queue::default(),
            produced: 0,
            healed: false,
            closing: false,
            last_stop_ms: 0,
            next_id: 0,
            plan,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for process in 0..self.processes.len() {
            // Most are there from the beginning, some join later.
            let late = self.rng.u8(0..100) < 30;
            let at_ms = self.rng.u64(0..if late { self.plan.heal_at_ms } else { 500 });
            self.at(at_ms, Event::Start(process));
        }
        for (at_ms, fault) in self.plan.faults.clone() {
            self.at(at_ms, Event::Fault(fault));
        }
        self.at(self.plan.heal_at_ms, Event::Heal);
        self.at(0, Event::Produce);
        self.at(LOOK_EVERY_MS, Event::Look);
    }

    fn at(&mut self, at_ms: u64, event: Event) {
        let tie = self.rng.u32(..);
        self.queue.push(at_ms.max(self.now_ms), tie, event);
    }

    fn after(&mut self, delay_ms: u64, event: Event) {
        self.at(self.now_ms + delay_ms, event);
    }

    /// Something arrives at that process after a while, if it lives so long.
    fn tell(&mut self, number: usize, delay_ms: u64, message: Message) {
        let incarnation = self.processes[number].life.incarnation;
        self.after(delay_ms, Event::Process(incarnation, message));
    }

    /// Whose life that is, if it is not over.
    fn living(&self, incarnation: Incarnation) -> Option<usize> {
        self.processes.iter().position(|process| process.life.incarnation == incarnation)
    }

    fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Whether this trouble strikes now.
    fn strikes(&mut self, trouble: Trouble) -> bool {
        let (percent, until_ms) = self.troubles[trouble as usize];
        self.now_ms < until_ms && self.rng.u8(0..100) < percent
    }

    /// The right time, in ms since 1970.
    fn unix_ms(&self) -> i64 {
        UNIX_MS + self.now_ms as i64
    }

    /// Runs to the end: all faults over, lag 0, everybody stopped, no transaction open.
    fn run(&mut self) -> Checked {
        while let Some((at_ms, event)) = self.queue.pop() {
            self.now_ms = at_ms;
            if matches!(event, Event::Look) && self.is_over() {
                return self.final_checks();
            }
            self.handle(event)?;
        }
        unreachable!("the world looks around until it is over")
    }

    /// All have stopped, and what the last of them has left open has had the time that it may take.
    fn is_over(&self) -> bool {
        let down = self.processes.iter().all(|process| matches!(process.life.state, State::Down));
        let open_ms = self.plan.transaction_timeout_ms + LATE_MS_MAX + 2 * LOOK_EVERY_MS;
        self.closing && down && self.now_ms > self.last_stop_ms + open_ms
    }

    fn handle(&mut self, event: Event) -> Checked {
        match event {
            Event::Produce => self.produce(),
            Event::Fault(fault) => self.strike(&fault)?,
            Event::Heal => self.heal(),
            Event::Look => self.look()?,
            Event::Start(process) => self.start(process),
            Event::Thaw(incarnation) => self.living(incarnation).into_iter().for_each(|who| self.thaw(who)),
            Event::Die(incarnation) => {
                self.living(incarnation).into_iter().for_each(|who| self.crash(who, u64::MAX));
            }
            Event::Join(incarnation) => self.living(incarnation).into_iter().for_each(|who| self.join(who)),
            Event::Released(member, partitions) => {
                self.group.released(member, &partitions, self.now_ms, &mut self.rng);
            }
            Event::Request(asker, request) => self.take_request(asker, &request)?,
            Event::Marker { transaction, committed, place } => self.mark(transaction, committed, place)?,
            Event::AskPositions(incarnation, fetch, partitions) => {
                self.tell_positions(incarnation, fetch, partitions);
            }
            Event::AskChangelogEnd(incarnation, partition, epoch, purpose) => {
                self.tell_changelog_end(incarnation, partition, epoch, purpose);
            }
            Event::Process(incarnation, message) => self.deliver(incarnation, message)?,
        }
        self.write_markers();
        self.spread_notices();
        Ok(())
    }

    fn deliver(&mut self, incarnation: Incarnation, message: Message) -> Checked {
        let Some(number) = self.living(incarnation) else { return Ok(()) };
        if let State::Frozen(waiting) = &mut self.processes[number].life.state {
            waiting.push_back(message);
            return Ok(());
        }
        self.receive(number, message)
    }

    fn produce(&mut self) {
        let many = self.rng.usize(1..12).min(self.plan.records - self.produced);
        for _ in 0..many {
            let unix_ms = self.unix_ms();
            let new = self.traffic.next(unix_ms, &mut self.rng);
            let gap = if self.rng.u8(0..100) < 4 { self.rng.i64(1..20) } else { 0 };
            let record = self.log.append(new, gap, unix_ms);
            self.trace.note(self.now_ms, &[1, u64::from(record.partition), record.offset as u64], || {
                let text = |bytes: &Option<Vec<u8>>| {
                    String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned()
                };
                let (key, value) = (text(&record.key), text(&record.value));
                format!("produced {}/{} {key} {value:?}", record.partition, record.offset)
            });
            self.reader.appended(record);
        }
        self.produced += many;
        self.tally.add(Count::Records, many as u64);
        if self.rng.u8(0..100) < 5 {
            let partition = self.rng.u32(0..self.plan.partitions);
            self.log.mark(partition, 1);
        }
        if self.produced < self.plan.records {
            let mean_ms = self.plan.produce_for_ms * 6 / self.plan.records as u64;
            let delay_ms = self.rng.u64(0..mean_ms.max(1) * 2);
            self.after(delay_ms, Event::Produce);
        }
    }

    fn look(&mut self) -> Checked {
        self.group.expel(self.now_ms, &mut self.rng);
        let long = self.driver_has(DriverBug::LongTransactionTimeout);
        let timeout_ms = if long { BROKERS_TIMEOUT_MS } else { self.plan.transaction_timeout_ms };
        let begun_before_ms = self.now_ms.saturating_sub(timeout_ms);
        let expired = self.cluster.transactions.expire(begun_before_ms);
        self.tally.add(Count::TransactionsExpired, expired);
        self.read_what_is_committed()?;
        self.readers_go_on()?;
        self.all_agrees()?;
        self.after(LOOK_EVERY_MS, Event::Look);
        if self.closing || !self.healed {
            return Ok(());
        }
        if self.is_done() {
            self.closing = true;
            return (0..self.processes.len()).try_for_each(|process| self.ask_to_stop(process, u64::MAX));
        }
        if self.now_ms > self.plan.heal_at_ms + HEALS_WITHIN_MS { Err(self.stuck()) } else { Ok(()) }
    }

    fn is_done(&self) -> bool {
        let read = self.produced == self.plan.records && self.lag() == 0 && self.reader.missing().is_none();
        read && self.reader.overdue(self.unix_ms()).is_none()
    }

    /// Partitions with records that are not committed.
    fn lag(&self) -> usize {
        let lags = |partition: &usize| {
            let position = self.cluster.offsets.committed[*partition].as_ref().map(|committed| committed.0);
            let last = self.log.partitions[*partition].records().last().map(|record| record.offset);
            last.is_some_and(|last| position.is_none_or(|position| position <= last))
        };
        (0..self.log.partitions.len()).filter(lags).count()
    }

    fn stuck(&self) -> Violation {
        let (lag, missing) = (self.lag(), self.reader.missing());
        let overdue = self.reader.overdue(self.unix_ms());
        if lag == 0
            && missing.is_none()
            && let Some(timer) = overdue
        {
            return Violation::new("timers_not_lost", format!("{timer} has not fired long after the faults"));
        }
        let detail = format!("{lag} partitions lag long after the faults; missing: {missing:?}, {overdue:?}");
        Violation::new("progress_after_healing", detail)
    }
}
