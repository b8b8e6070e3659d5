//! The simulated world of one run: broker, processes, outside systems, and the events between them.

mod disaster;
mod driving;
pub(crate) mod event;
mod membership;
mod network;
mod positions;
mod process;
mod retention;

use std::collections::BTreeMap;
use std::ops::Range;

use thalweg_connectors::kafka::dead_letter::DeadLetters;
use thalweg_core::dead_letter::DeadLetterSink;

use crate::broker::group::Group;
use crate::broker::log::{Log, LogRecord};
use crate::broker::offsets::Committed;
use crate::checks::ledger::Ledger;
use crate::checks::patience::Patience;
use crate::checks::{Checked, Violation};
use crate::flow::{Fate, Flow, Outside};
use crate::life::{State, UNIX_MS};
use crate::plan::Plan;
use crate::queue::Queue;
use crate::sabotage::{Behaviour, Sabotage};
use crate::tally::{Count, Tally};
use crate::trace::{Trace, Watch};
use crate::twins::dead_letter_topic::DeadLetterTopic;
use crate::weather::Weather;
use event::{Event, Message};
use process::Process;

/// The topic that the flow reads.
pub(crate) const TOPIC: &str = "events";
/// Where its dead letters go.
pub(crate) const LETTERS: &str = "events.dlq";

/// The world looks around this often.
const LOOK_EVERY_MS: u64 = 250;

/// From the end of all faults to lag 0 at most: sessions expire, probes find the sink, backoffs end, and what is left
/// is processed one by one.
const HEALS_WITHIN_MS: u64 = 120_000;

/// An outside system as the network sees it.
pub(crate) struct System {
    pub(crate) weather: Weather,
    pub(crate) patience: Patience,
}

pub(crate) struct World<F: Flow> {
    pub(crate) flow: F,
    pub(crate) plan: Plan,
    pub(crate) behaviour: Behaviour,
    pub(crate) rng: fastrand::Rng,
    pub(crate) now_ms: u64,
    pub(crate) queue: Queue<Event>,
    pub(crate) log: Log,
    pub(crate) group: Group,
    pub(crate) committed: Vec<Committed>,
    pub(crate) commit_trouble: (u8, u64),
    pub(crate) metadata_trouble: (u8, u64),
    /// By partition: one above the highest offset that any process has ever read.
    pub(crate) read_ends: Vec<i64>,
    /// By partition: offsets that were not committed when retention removed them.
    pub(crate) lost: BTreeMap<u32, Range<i64>>,
    /// Until then no process can start.
    pub(crate) dark_until_ms: u64,
    pub(crate) outside: F::Outside,
    pub(crate) letters: DeadLetterTopic,
    /// By sink number; the last is the dead-letter topic.
    pub(crate) systems: Vec<System>,
    pub(crate) processes: Vec<Process<F::Operator>>,
    pub(crate) ledger: Ledger,
    pub(crate) tally: Tally,
    pub(crate) trace: Trace,
    produced: usize,
    pub(crate) healed: bool,
    /// All is done; processes are stopping.
    closing: bool,
    next_id: u64,
}

impl<F: Flow> World<F> {
    pub(crate) fn new(flow: F, seed: u64, behaviour: Behaviour, watch: Watch) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let sinks = flow.sinks(behaviour).len();
        let plan = Plan::of(&mut rng, flow.name(), flow.event_id_header(), sinks);
        let window = plan.worker.dedupe.as_ref().map_or(0, |dedupe| dedupe.window);
        let mut weather = |bytes_max| System {
            weather: Weather::fair(rng.u64(..), bytes_max),
            patience: Patience::default(),
        };
        let systems = (0..=sinks).map(|_| weather(plan.request_bytes_max)).collect();
        let log = Log::new(plan.partitions, &mut rng);
        let processes = (0..plan.processes).map(|_| Process::new(&mut rng)).collect();
        let mut world = Self {
            outside: flow.outside(plan.partitions, window),
            group: Group::new(plan.group, plan.partitions),
            committed: vec![None; plan.partitions as usize],
            commit_trouble: (0, 0),
            metadata_trouble: (0, 0),
            read_ends: vec![0; plan.partitions as usize],
            lost: BTreeMap::new(),
            dark_until_ms: 0,
            // A letter of one of the huge records does not fit.
            letters: DeadLetterTopic::new(LETTERS, plan.request_bytes_max),
            ledger: Ledger::new(plan.partitions, window),
            tally: Tally::default(),
            trace: Trace::new(watch),
            flow,
            behaviour,
            rng,
            now_ms: 0,
            queue: Queue::default(),
            log,
            systems,
            processes,
            produced: 0,
            healed: false,
            closing: false,
            next_id: 0,
            plan,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for process in 0..self.processes.len() {
            // Most are there from the beginning, some join later; in a calm history that would be a backlog, in which
            // records wait rightly.
            let at_ms = if self.plan.calm || self.rng.u8(0..100) < 70 {
                self.rng.u64(0..500)
            } else {
                self.rng.u64(0..self.plan.heal_at_ms)
            };
            self.at(at_ms, Event::Start(process));
        }
        for (at_ms, fault) in self.plan.faults.clone() {
            self.at(at_ms, Event::Fault(fault));
        }
        self.at(self.plan.heal_at_ms, Event::Heal);
        self.at(0, Event::Produce);
        self.at(LOOK_EVERY_MS, Event::Look);
    }

    pub(crate) fn at(&mut self, at_ms: u64, event: Event) {
        let tie = self.rng.u32(..);
        self.queue.push(at_ms.max(self.now_ms), tie, event);
    }

    pub(crate) fn after(&mut self, delay_ms: u64, event: Event) {
        self.at(self.now_ms + delay_ms, event);
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Runs to the end: all faults over, lag 0, everybody stopped.
    pub(crate) fn run(&mut self) -> Checked {
        while let Some((at_ms, event)) = self.queue.pop() {
            self.now_ms = at_ms;
            for system in &mut self.systems {
                system.weather.clock(at_ms);
            }
            if matches!(event, Event::Look) && self.is_over() {
                return self.final_checks();
            }
            self.handle(event)?;
        }
        unreachable!("the world looks around until it is over")
    }

    fn is_over(&self) -> bool {
        self.closing && self.processes.iter().all(|process| matches!(process.life.state, State::Down))
    }

    fn handle(&mut self, event: Event) -> Checked {
        match event {
            Event::Produce => self.produce(),
            Event::Fault(fault) => self.strike(fault)?,
            Event::Heal => self.heal(),
            Event::Outlived => self.outlive(),
            Event::Look => self.look()?,
            Event::Start(process) => self.start(process),
            Event::Thaw(process, incarnation) => self.thaw(process, incarnation),
            Event::Arrive(travel) => self.arrive(travel)?,
            Event::Join(process, incarnation) => self.join(process, incarnation),
            Event::Released(member, partitions) => {
                self.group.released(member, &partitions, self.now_ms, &mut self.rng);
            }
            Event::Commit { process, incarnation, member, generation, entries } => {
                self.take_commit(process, incarnation, (member, generation), &entries)?;
            }
            Event::AskPositions(process, incarnation, fetch, partitions) => {
                self.tell_positions(process, incarnation, fetch, &partitions);
            }
            Event::Process(process, incarnation, message) => self.deliver(process, incarnation, message)?,
        }
        self.spread_notices();
        Ok(())
    }

    fn deliver(&mut self, number: usize, incarnation: u64, message: Message) -> Checked {
        let process = &mut self.processes[number];
        if process.life.incarnation != incarnation {
            if matches!(message, Message::Reply { reply: thalweg_core::sink::Reply::Answer { .. }, .. }) {
                self.tally.one(Count::LateResponses);
            }
            return Ok(());
        }
        match &mut process.life.state {
            State::Down => Ok(()),
            State::Frozen(waiting) => {
                waiting.push_back(message);
                Ok(())
            }
            State::Up => self.receive(number, message),
        }
    }

    fn produce(&mut self) {
        let many = self.rng.usize(1..12).min(self.plan.records - self.produced);
        for _ in 0..many {
            let new = self.outside.next_record(&mut self.rng);
            let gap = if self.rng.u8(0..100) < 4 { self.rng.i64(1..20) } else { 0 };
            let record = self.log.append(new, gap, UNIX_MS + self.now_ms as i64).clone();
            self.tally.add(Count::Replays, u64::from(record.header("dlq.replay_count").is_some()));
            let fate = self.fate_of(&record);
            self.trace.note(self.now_ms, &[1, u64::from(record.partition), record.offset as u64], || {
                format!("produced {}/{} {fate:?}", record.partition, record.offset)
            });
            self.ledger.append(&record, fate, self.now_ms);
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

    /// What must become of the next record.
    pub(crate) fn fate_of(&mut self, record: &LogRecord) -> Fate {
        let event_id = self.flow.event_id_header().and_then(|name| record.header(name));
        if event_id.is_some_and(|id| self.ledger.sightings.is_duplicate(record, id)) {
            Fate::Duplicate
        } else {
            self.outside.read(record)
        }
    }

    fn look(&mut self) -> Checked {
        self.group.expel(self.now_ms, &mut self.rng);
        if self.plan.calm && !self.healed && self.flow.keeps_up_with_each_key() {
            self.only_the_faulty_key_waits()?;
        }
        let all_read = self.produced == self.plan.records && self.lag() == 0;
        if self.healed && all_read && !self.closing && self.parked() == 0 {
            self.close()?;
        } else if self.now_ms > self.plan.heal_at_ms + HEALS_WITHIN_MS {
            let (lag, parked) = (self.lag(), self.parked());
            let stuck: Vec<String> = self.running().flat_map(|worker| worker.stuck(3)).collect();
            let detail =
                format!("{lag} partitions lag and {parked} keys are parked long after the faults: {stuck:?}");
            return Err(Violation::new("progress_after_healing", detail));
        }
        self.after(LOOK_EVERY_MS, Event::Look);
        Ok(())
    }

    fn only_the_faulty_key_waits(&mut self) -> Checked {
        const PATIENCE_MS: u64 = 10_000;
        let Some(item) = self.systems[0].weather.stubborn_item().map(str::to_owned) else { return Ok(()) };
        let Some(old_ms) = self.now_ms.checked_sub(PATIENCE_MS) else { return Ok(()) };
        // Who was given partitions just now has had no time yet.
        let told = self.processes.iter().map(|process| process.life.last_notice_ms).max().unwrap_or(0);
        if told == 0 || told > old_ms {
            return Ok(());
        }
        match self.ledger.waits_needlessly(&item, old_ms) {
            None => Ok(()),
            Some((partition, offset)) => Err(Violation::new(
                "only_the_faulty_key_waits",
                format!("{partition}/{offset} waits although only {item} is refused"),
            )),
        }
    }

    fn running(&self) -> impl Iterator<Item = &thalweg_core::worker::Worker<F::Operator, Behaviour>> {
        self.processes.iter().filter_map(|process| process.worker.as_ref())
    }

    /// Partitions with records that are not committed.
    /// Partitions with records that are not committed. What retention has removed is no lag: of a partition that holds
    /// nothing any more nobody has to commit anything.
    fn lag(&self) -> usize {
        let lags = |partition: &u32| {
            let position = self.committed[*partition as usize].as_ref().map(|committed| committed.0);
            let low = self.log.partitions[*partition as usize].low;
            let last = self.ledger.last(*partition).filter(|last| *last >= low);
            last.is_some_and(|last| position.is_none_or(|position| position <= last))
        };
        (0..self.plan.partitions).filter(lags).count()
    }

    fn parked(&self) -> usize {
        self.running()
            .map(|worker| {
                worker.held_keys() + worker.sink_status().map(|(_, status)| status.parked_keys).sum::<usize>()
            })
            .sum()
    }

    fn close(&mut self) -> Checked {
        self.closing = true;
        (0..self.processes.len()).try_for_each(|process| self.ask_to_stop(process, u64::MAX))
    }

    fn final_checks(&mut self) -> Checked {
        self.ledger.nothing_is_open()?;
        match self.outside.difference() {
            None => Ok(()),
            Some(difference) => Err(Violation::new("index_equals_reader", difference)),
        }
    }

    pub(crate) fn dead_letter_sink(&self) -> Box<dyn DeadLetterSink> {
        let sink = DeadLetters::new(LETTERS);
        match self.behaviour.0 {
            Some(sabotage @ (Sabotage::DeadLettersBelieved | Sabotage::LargeDeadLettersDropped)) => {
                Box::new(crate::credulous::Credulous::new(sink, sabotage))
            }
            _ => Box::new(sink),
        }
    }
}

/// Lets go of a process in the middle of its life.
pub(crate) fn abandon<O>(process: &mut Process<O>) {
    process.forget_life();
}
