//! The worker: one group member's every decision, as a state machine.
//!
//! Events come in as calls (`assigned`, `positioned`, `batch`, `replied`, `committed`, `revoked`, `lost`, `wake`),
//! commands go out through [`Worker::poll`], and [`Worker::wake_at_ms`] says when it wants to be called without an
//! event. The runtime drives it with real time and real systems, the simulator with simulated ones.

mod assignment;
mod commits;
mod effects;
mod intake;
mod interface;
mod partition;

use std::collections::VecDeque;

use crate::admission::Admission;
use crate::batch::Batch;
use crate::dead_letter::DeadLetterSink;
use crate::lane::LaneEvent;
use crate::measured::{Latencies, Measured, Sizes};
use crate::operator::{Collected, Operator};
use crate::outcome::Outcome;
use crate::position::{Epoch, PartitionId, Position};
use crate::sabotage::{Bug, Conduct, Sound};
use crate::sink::{FollowUps, LaneId, Request, SinkMachine};
use crate::sink_lanes::{Departure, SinkLanes, SinkSettings, SinkStatus};
use crate::table::Table;
use crate::time::Now;
use crate::tracker::Pending;
use intake::Look;
pub use intake::ReadLimits;
pub use interface::{
    Accounts, Command, CommitEntry, CommitResult, DedupeSettings, FetchId, FlowError, Positions, ReadFrom,
    SinkIndex, WorkerSettings,
};
pub use partition::PartitionName;
use partition::PartitionState;

use assignment::Rebalance;
use commits::Commits;
use effects::Awaited;

/// A sink with its name and its settings.
pub struct NamedSink {
    /// The name that dead letters and metrics give it.
    pub name: &'static str,
    /// Its pure half.
    pub machine: Box<dyn SinkMachine>,
    /// How it is driven.
    pub settings: SinkSettings,
}

/// See the module's text. `X` is [`Sound`] everywhere but in the simulator.
pub struct Worker<O, X = Sound> {
    settings: WorkerSettings,
    operator: O,
    sinks: Vec<SinkLanes<X>>,
    sink_names: Vec<&'static str>,
    dead_letters: SinkLanes<X, dyn DeadLetterSink>,
    /// By partition id; `None` when not assigned.
    partitions: Vec<Option<PartitionState>>,
    /// How many of them are.
    assigned: usize,
    names: Vec<Option<PartitionName>>,
    next_epoch: u32,
    admission: Admission,
    /// Who waits for which dead letter.
    awaited: Table<(PartitionId, i64), VecDeque<Awaited>>,
    rebalance: Rebalance,
    commits: Commits,
    accounts: Accounts,
    measured: Measured,
    reserved_bytes: u64,
    /// What may follow from a record's effects, in bytes at most.
    follow_up_bytes: u64,
    /// By sink: whether effects of others lead to effects of it.
    takes_follow_ups: Vec<bool>,
    /// Of the batch that is being taken in, by record.
    looks: Vec<Look>,
    collected: Collected,
    lane_events: Vec<LaneEvent>,
    departures: Vec<Departure>,
    /// Requests that wait for the fence after a suspension.
    fenced: Vec<(SinkIndex, LaneId, Request)>,
    commands: VecDeque<Command>,
    spent: Vec<Batch>,
    rng: fastrand::Rng,
    stopping: Option<u64>,
    stopped: bool,
    /// The clocks at the last event.
    now: Now,
    conduct: X,
}

impl<O: Operator, X: Conduct> Worker<O, X> {
    /// A worker with no partitions. `seed` drives the jitter of retries and nothing else.
    pub fn new(
        settings: WorkerSettings,
        operator: O,
        sinks: Vec<NamedSink>,
        dead_letters: (Box<dyn DeadLetterSink>, SinkSettings),
        seed: u64,
        conduct: X,
    ) -> Self {
        assert!(sinks.len() < usize::from(u8::MAX), "a flow has at most 254 sinks");
        let sink_names = sinks.iter().map(|sink| sink.name).collect();
        let mut takes_follow_ups = vec![false; sinks.len()];
        let mut follow_up_bytes = 0;
        for (index, sink) in sinks.iter().enumerate() {
            let Some(FollowUps { sink: next, bytes_max }) = sink.machine.follow_ups() else { continue };
            let next = usize::from(next);
            assert!(
                next > index && next < sinks.len(),
                "a follow-up's sink stands further down: nothing goes in circles"
            );
            takes_follow_ups[next] = true;
            follow_up_bytes += u64::from(bytes_max);
        }
        let lanes = |sink: NamedSink| SinkLanes::new(sink.machine, sink.settings, false, conduct.clone());
        Self {
            settings,
            operator,
            sinks: sinks.into_iter().map(lanes).collect(),
            sink_names,
            dead_letters: SinkLanes::new(dead_letters.0, dead_letters.1, true, conduct.clone()),
            partitions: Vec::new(),
            assigned: 0,
            names: Vec::new(),
            next_epoch: 0,
            admission: Admission::default(),
            awaited: Table::default(),
            rebalance: Rebalance::default(),
            commits: Commits::default(),
            accounts: Accounts::default(),
            measured: Measured::default(),
            reserved_bytes: 0,
            follow_up_bytes,
            takes_follow_ups,
            looks: Vec::new(),
            collected: Collected::default(),
            lane_events: Vec::new(),
            departures: Vec::new(),
            fenced: Vec::new(),
            commands: VecDeque::new(),
            spent: Vec::new(),
            rng: fastrand::Rng::with_seed(seed),
            stopping: None,
            stopped: false,
            now: Now { uptime_ms: 0, unix_ms: 0 },
            conduct,
        }
    }

    /// The next thing the driver must do.
    pub fn poll(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// A batch whose records are all done, for the source to fill again.
    pub fn take_spent(&mut self) -> Option<Batch> {
        self.spent.pop()
    }

    /// Time has passed, or nothing is known to have happened.
    pub fn wake(&mut self, now: Now) {
        self.turn(now);
        self.settle(now);
    }

    /// Uptime at which [`Worker::wake`] must be called at the latest.
    #[must_use]
    pub fn wake_at_ms(&self) -> Option<u64> {
        let sinks = self.sinks.iter().filter_map(SinkLanes::wake_at_ms);
        let all = sinks.chain(self.dead_letters.wake_at_ms()).filter(|_| !self.commits.is_fencing());
        all.chain(self.commits.wake_at_ms().filter(|_| self.may_commit()))
            // Past a deadline, what is still waited for brings the next event by itself.
            .chain(self.rebalance.deadline_ms().filter(|_| !self.commits.is_out()))
            .chain(self.rebalance.restart_ms())
            .chain(
                self.stopping
                    .filter(|_| !self.stopped && !self.commits.is_out() && !self.rebalance.is_busy()),
            )
            .chain(
                (self.has_uncommitted() && self.may_commit())
                    .then(|| self.commits.due_ms())
                    .filter(|_| !self.commits.is_out()),
            )
            .chain(std::iter::once(self.now.plus_ms(commits::TICK_MS)))
            .min()
    }

    /// Stop: read nothing more, finish what was read, commit. Ends with [`Command::Stopped`], at `deadline_ms`
    /// (uptime) at the latest.
    pub fn stop(&mut self, now: Now, deadline_ms: u64) {
        self.turn(now);
        self.stopping = Some(deadline_ms);
        self.settle(now);
    }

    /// What follows from the last event: flights leave, commits fall due, drains end.
    fn settle(&mut self, now: Now) {
        if !self.commits.is_fencing() {
            self.unfence(now);
        }
        self.pump(now);
        self.drain(now);
        self.restart_fenced(now);
        if self.may_commit() {
            self.commit_if_due(now);
        }
        self.stop_if_done(now);
    }

    /// Past the deadline of a stop no commit is asked for any more: where each takes longer than the time between two,
    /// the worker would wait for one after the other, and never stop.
    fn may_commit(&self) -> bool {
        self.stopping.is_none_or(|deadline_ms| self.now.uptime_ms < deadline_ms)
    }

    fn stop_if_done(&mut self, now: Now) {
        let Some(deadline_ms) = self.stopping.filter(|_| !self.stopped) else { return };
        let open = self.accounts.open();
        if (open > 0 && now.uptime_ms < deadline_ms) || self.commits.is_out() || self.rebalance.is_busy() {
            return;
        }
        if self.has_uncommitted() && now.uptime_ms < deadline_ms {
            self.commit(now);
            return;
        }
        self.stopped = true;
        let clean = open == 0 && !self.has_uncommitted();
        self.commands.push_back(Command::Stopped { clean });
    }

    fn partition(&mut self, position: Position) -> Option<&mut PartitionState> {
        let state = self.partitions.get_mut(position.partition.index())?.as_mut()?;
        (state.epoch == position.epoch).then_some(state)
    }

    /// Ends one part of a record.
    fn close(&mut self, mut pending: Pending, outcome: Outcome) {
        if self.conduct.has(Bug::CloseBeforeFollowUp) && pending.is_stray() {
            return pending.abandon();
        }
        if self.conduct.has(Bug::TrustEndedEpoch) {
            let state = self.partitions[pending.position().partition.index()].as_ref();
            match state.and_then(|state| state.tracker.place_of(&pending)) {
                Some(place) => pending.renew(place),
                None => return pending.abandon(),
            }
        }
        let state = self.partition(pending.position()).expect("what belongs to an ended epoch was given up");
        let Some(closed) = state.tracker.close(pending, outcome) else { return };
        state.closed_since_commit += 1;
        let spent = state.originals.closed(closed.offset);
        self.reserved_bytes -= u64::from(closed.reserved_bytes);
        self.accounts.outcomes[closed.outcome as usize] += 1;
        self.measured.latencies.ended(closed.outcome, closed.timestamp_ms, self.now);
        self.spent.extend(spent);
    }

    /// How many records ended how.
    #[must_use]
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// How long things took so far.
    #[must_use]
    pub fn latencies(&self) -> &Latencies {
        &self.measured.latencies
    }

    /// How much went together so far.
    #[must_use]
    pub fn sizes(&self) -> &Sizes {
        &self.measured.sizes
    }

    /// Names and states of the sinks, the dead letters last.
    pub fn sink_status(&self) -> impl Iterator<Item = (&'static str, SinkStatus)> + '_ {
        let sinks = self.sink_names.iter().copied().zip(self.sinks.iter().map(SinkLanes::status));
        sinks.chain(std::iter::once(("dead_letters", self.dead_letters.status())))
    }

    /// Bytes reserved by records whose outcome is open.
    #[must_use]
    pub fn reserved_bytes(&self) -> u64 {
        self.reserved_bytes
    }

    /// Keys held before the first operator.
    #[must_use]
    pub fn held_keys(&self) -> usize {
        self.admission.keys()
    }

    /// Partitions assigned: their id, epoch, commit position confirmed, commit position reached, read position.
    pub fn progress(&self) -> impl Iterator<Item = Progress> + '_ {
        self.partitions.iter().enumerate().filter_map(|(index, state)| {
            let state = state.as_ref()?;
            Some(Progress {
                partition: PartitionId(index as u32),
                epoch: state.epoch,
                committed: state.committed,
                finished: state.tracker.commit_position(),
                read_end: state.tracker.read_end(),
                open: state.tracker.open_records(),
                batches: state.originals.batches(),
            })
        })
    }

    /// What keeps a drain from ending: at most `most` lines, oldest sink first.
    #[must_use]
    pub fn stuck(&self, most: usize) -> Vec<String> {
        let name = |position: Position| match self.names.get(position.partition.index()) {
            Some(Some(name)) => format!("{name} offset {}", position.offset),
            _ => format!("{position:?}"),
        };
        let sinks = self
            .sink_names
            .iter()
            .zip(&self.sinks)
            .flat_map(|(sink, lanes)| lanes.stuck().map(move |(position, why)| (*sink, position, why)));
        let letters = self.dead_letters.stuck().map(|(position, why)| ("dead_letters", position, why));
        let held = self.admission.records().map(|pending| {
            ("admission", pending.position(), "waits for the dead letter of an earlier record of its key")
        });
        sinks
            .chain(letters)
            .chain(held)
            .take(most)
            .map(|(sink, position, why)| format!("{}: {why} ({sink})", name(position)))
            .collect()
    }
}

/// How far one partition is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The partition.
    pub partition: PartitionId,
    /// Its epoch.
    pub epoch: Epoch,
    /// What the broker is known to hold.
    pub committed: i64,
    /// Everything below is finished.
    pub finished: i64,
    /// Everything below was read.
    pub read_end: i64,
    /// Records open.
    pub open: usize,
    /// Batches kept for them.
    pub batches: usize,
}
