//! All lanes of one sink, under one breaker and one pace.

use crate::breaker::{Breaker, BreakerSettings, BreakerState};
use crate::failure::{Action, Reason, RequestFailure, Verdict};
use crate::flight::{Flight, Item};
use crate::lane::{FlightLimits, Lane, LaneEvent};
use crate::pacing::{Pacing, PacingSettings};
use crate::position::{Epoch, PartitionId, Position};
use crate::retry::RetrySchedule;
use crate::sabotage::{Bug, Conduct};
use crate::sink::{Domain, LaneId, Next, Reply, Request, SinkMachine};
use crate::time::Now;
use crate::tracker::Pending;

/// How one sink is driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SinkSettings {
    /// Lanes: effects of different lanes travel side by side.
    pub lanes: u16,
    /// Limits of flights.
    pub pacing: PacingSettings,
    /// When parked keys are tried again.
    pub retry: RetrySchedule,
    /// When it stops asking.
    pub breaker: BreakerSettings,
    /// Tries of an effect that fails for an unclear reason before it is a dead letter; `None` is for ever.
    pub attempts_max: Option<u32>,
}

impl Default for SinkSettings {
    /// For a bulk sink: 8 lanes keep a server of a few cores busy; 1,000 documents or 5 MiB is where bulk requests
    /// of Elasticsearch stop gaining.
    fn default() -> Self {
        Self {
            lanes: 8,
            pacing: PacingSettings { flights_max: 8, items_max: 1_000, bytes_max: 5 << 20 },
            retry: RetrySchedule::default(),
            breaker: BreakerSettings::default(),
            attempts_max: Some(10),
        }
    }
}

/// A request that must be sent, with the lane whose flight it belongs to.
#[derive(Debug)]
pub(crate) struct Departure {
    pub(crate) lane: LaneId,
    pub(crate) request: Request,
}

/// What an operator or a person sees of a sink.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SinkStatus {
    /// Effects waiting or in the air.
    pub effects: usize,
    /// Keys that wait for a retry or for a dead letter.
    pub parked_keys: usize,
    /// Flights in the air.
    pub flights: usize,
    /// Whether the breaker is closed.
    pub breaker_closed: bool,
    /// How often the breaker has opened.
    pub breaker_opened: u64,
    /// What failed last, for people.
    pub last_error: Option<Reason>,
    /// Requests sent.
    pub requests: u64,
    /// Effects refused for load.
    pub overloaded: u64,
    /// Effects put off for a retry.
    pub retries: u64,
}

pub(crate) struct SinkLanes<X, M: ?Sized = dyn SinkMachine> {
    machine: Box<M>,
    lanes: Vec<Lane>,
    settings: SinkSettings,
    breaker: Breaker,
    pacing: Pacing,
    /// Live epochs by partition: effects of others are given up when they land.
    epochs: Vec<Option<Epoch>>,
    flying: usize,
    /// The lane that gets the first chance to send next.
    turn: usize,
    /// Dead letters have nowhere else to go: a refused one is parked.
    last_resort: bool,
    status: SinkStatus,
    conduct: X,
}

impl<X: Conduct, M: SinkMachine + ?Sized> SinkLanes<X, M> {
    pub(crate) fn new(machine: Box<M>, settings: SinkSettings, last_resort: bool, conduct: X) -> Self {
        let lanes = usize::from(settings.lanes.max(1));
        Self {
            machine,
            lanes: std::iter::repeat_with(Lane::default).take(lanes).collect(),
            settings,
            breaker: Breaker::new(settings.breaker),
            pacing: Pacing::new(settings.pacing),
            epochs: Vec::new(),
            flying: 0,
            turn: 0,
            last_resort,
            status: SinkStatus::default(),
            conduct,
        }
    }

    pub(crate) fn machine(&self) -> &M {
        &self.machine
    }

    pub(crate) fn enqueue(
        &mut self,
        pending: Pending,
        key_hash: u64,
        domain: Domain,
        bytes: &[u8],
    ) -> LaneId {
        let lane = (key_hash >> 32) as usize % self.lanes.len();
        self.lanes[lane].enqueue(pending, key_hash, domain, bytes);
        LaneId(lane as u16)
    }

    /// Starts every flight that may leave now.
    pub(crate) fn pump(
        &mut self,
        now: Now,
        rng: &mut fastrand::Rng,
        out: &mut Vec<Departure>,
        events: &mut Vec<LaneEvent>,
    ) {
        let lanes = self.lanes.len();
        for step in 0..lanes {
            let index = (self.turn + step) % lanes;
            // A sink may settle a flight without a request (all superseded): then the lane goes on at once.
            while self.may_leave(index, now) {
                let Some(probe) = self.breaker.admits(now.uptime_ms) else { return };
                let limits = FlightLimits {
                    items: if probe { 1 } else { self.pacing.items() },
                    bytes: self.pacing.bytes(),
                    one_per_domain: self.machine.one_per_domain() && !self.conduct.has(Bug::TwoOfADomain),
                };
                if !self.lanes[index].load(limits, events) {
                    break;
                }
                if probe {
                    self.breaker.probe_left();
                }
                self.flying += 1;
                self.begin(index, now, rng, out, events);
            }
        }
        self.turn = (self.turn + 1) % lanes;
    }

    fn may_leave(&mut self, index: usize, now: Now) -> bool {
        if self.flying >= self.pacing.flights() || self.lanes[index].is_flying() {
            return false;
        }
        let lane = &mut self.lanes[index];
        if self.conduct.has(Bug::ForgetParkedKeys) {
            lane.forget_due(now.uptime_ms);
        }
        lane.release_due(now.uptime_ms);
        // While the breaker is open it alone says when the next request leaves.
        let waits = lane.not_before_ms() > now.uptime_ms && self.breaker.state() == BreakerState::Closed;
        lane.has_work() && !waits
    }

    fn begin(
        &mut self,
        index: usize,
        now: Now,
        rng: &mut fastrand::Rng,
        out: &mut Vec<Departure>,
        events: &mut Vec<LaneEvent>,
    ) {
        let lane = LaneId(index as u16);
        let flight = self.lanes[index].flight_mut().expect("the flight was just loaded");
        let next = self.machine.begin(lane, flight);
        self.go_on(lane, next, now, rng, out, events);
    }

    /// The reply to the lane's last request.
    pub(crate) fn replied(
        &mut self,
        lane: LaneId,
        reply: Reply,
        now: Now,
        rng: &mut fastrand::Rng,
        out: &mut Vec<Departure>,
        events: &mut Vec<LaneEvent>,
    ) {
        let flight =
            self.lanes[usize::from(lane.0)].flight_mut().expect("a reply answers a request of a flight");
        let next = self.machine.resume(lane, flight, reply);
        self.go_on(lane, next, now, rng, out, events);
    }

    fn go_on(
        &mut self,
        lane: LaneId,
        next: Next,
        now: Now,
        rng: &mut fastrand::Rng,
        out: &mut Vec<Departure>,
        events: &mut Vec<LaneEvent>,
    ) {
        match next {
            Next::Send(_) if self.is_outdated(lane) => self.cut(lane, now, rng, events),
            Next::Send(request) => {
                self.status.requests += 1;
                out.push(Departure { lane, request });
            }
            Next::Settled => self.land(lane, None, now, rng, events),
            Next::Failed(failure) => self.land(lane, Some(failure), now, rng, events),
        }
    }

    /// Whether the lane's flight carries an effect whose epoch has ended: then its next request must not leave.
    pub(crate) fn is_outdated(&self, lane: LaneId) -> bool {
        let ended = |position: Position| self.live_epoch(position.partition) != Some(position.epoch);
        self.lanes[usize::from(lane.0)].in_flight().any(ended)
    }

    fn live_epoch(&self, partition: PartitionId) -> Option<Epoch> {
        self.epochs.get(partition.index()).copied().flatten()
    }

    /// Ends the lane's flight between two of its requests: what is still ours goes back, the rest is given up.
    pub(crate) fn cut(
        &mut self,
        lane: LaneId,
        now: Now,
        rng: &mut fastrand::Rng,
        events: &mut Vec<LaneEvent>,
    ) {
        let mut flight = self.lanes[usize::from(lane.0)].land().expect("the lane has a flight");
        self.flying -= 1;
        flight.verdicts.fill(None);
        self.disband(usize::from(lane.0), flight, now, rng, events);
        if self.breaker.state() == BreakerState::Probing {
            self.breaker.failed(now.uptime_ms);
        }
    }

    fn land(
        &mut self,
        lane: LaneId,
        failure: Option<RequestFailure>,
        now: Now,
        rng: &mut fastrand::Rng,
        events: &mut Vec<LaneEvent>,
    ) {
        let index = usize::from(lane.0);
        let mut flight = self.lanes[index].land().expect("the lane has a flight");
        self.flying -= 1;
        self.judge_flight(index, &mut flight, failure, now, rng);
        self.disband(index, flight, now, rng, events);
    }

    /// Sends every effect of a landed flight where its verdict says.
    fn disband(
        &mut self,
        index: usize,
        mut flight: Flight,
        now: Now,
        rng: &mut fastrand::Rng,
        events: &mut Vec<LaneEvent>,
    ) {
        let bytes = std::mem::take(&mut flight.bytes);
        let verdicts = std::mem::take(&mut flight.verdicts);
        // Youngest first: what goes back to the front then stands in order.
        for (item, verdict) in std::mem::take(&mut flight.items).into_iter().zip(verdicts).rev() {
            self.decide(index, item, verdict, &bytes, now, rng, events);
        }
        flight.bytes = bytes;
        self.lanes[index].landed(flight, events);
    }

    /// Draws the consequences for the lane, the breaker and the pace; turns a refused request of one effect into
    /// that effect's verdict.
    fn judge_flight(
        &mut self,
        index: usize,
        flight: &mut Flight,
        failure: Option<RequestFailure>,
        now: Now,
        rng: &mut fastrand::Rng,
    ) {
        let unsettled = flight.verdicts.iter().filter(|verdict| verdict.is_none()).count();
        let retry = self.settings.retry;
        let lane = &mut self.lanes[index];
        match failure {
            None => {
                assert!(unsettled == 0, "a settled flight has a verdict for every effect");
                lane.cleared(flight.len());
                self.judge_items(index, flight, now);
            }
            Some(RequestFailure::Overloaded) => {
                self.status.overloaded += unsettled as u64;
                self.pacing.overloaded();
                lane.wait_until(|failures| now.plus_ms(retry.wait_ms(failures, rng)));
                self.sink_is_alive();
            }
            Some(RequestFailure::Refused(reason)) => {
                self.status.last_error = Some(reason.clone());
                if unsettled > 1 && !self.conduct.has(Bug::NoBisect) {
                    lane.suspect(unsettled);
                } else {
                    lane.cleared(unsettled);
                    crate::sink::settle_rest(flight, &Verdict::Refused(reason));
                }
                self.sink_is_alive();
            }
            Some(RequestFailure::SinkDown(reason) | RequestFailure::Unknown(reason)) => {
                self.status.last_error = Some(reason.clone());
                lane.wait_until(|failures| now.plus_ms(retry.wait_ms(failures, rng)));
                if self.conduct.has(Bug::DeadLetterWhenDown) {
                    crate::sink::settle_rest(flight, &Verdict::Refused(reason));
                } else if self.conduct.has(Bug::UnknownIsDone) {
                    crate::sink::settle_rest(flight, &Verdict::Done);
                }
                self.sink_is_down(now);
            }
        }
    }

    /// A flight whose items were judged one by one: what they say about the sink as a whole.
    fn judge_items(&mut self, index: usize, flight: &Flight, now: Now) {
        let (mut alive, mut overloaded, mut down) = (0usize, 0usize, None);
        for verdict in flight.verdicts.iter().flatten() {
            match verdict {
                Verdict::Done | Verdict::Superseded | Verdict::Refused(_) | Verdict::Unclear(_) => alive += 1,
                Verdict::Overloaded => overloaded += 1,
                Verdict::SinkDown(reason) | Verdict::Unknown(reason) => down = Some(reason),
            }
        }
        self.status.overloaded += overloaded as u64;
        if let Some(reason) = down {
            self.status.last_error = Some(reason.clone());
            if alive == 0 && overloaded == 0 {
                self.sink_is_down(now);
                return;
            }
        }
        self.sink_is_alive();
        self.lanes[index].go_now();
        // One stubborn document is no overload: only a good part of a flight slows the sink down.
        if overloaded > 1 && overloaded * 10 >= flight.len() {
            self.pacing.overloaded();
        } else {
            self.pacing.went_well();
        }
    }

    fn sink_is_alive(&mut self) {
        if self.breaker.succeeded() {
            self.lanes.iter_mut().for_each(Lane::go_now);
        }
    }

    fn sink_is_down(&mut self, now: Now) {
        if !self.conduct.has(Bug::BreakerNeverOpens) {
            self.breaker.failed(now.uptime_ms);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the one place where an effect's fate is decided")]
    fn decide(
        &mut self,
        index: usize,
        mut item: Item,
        verdict: Option<Verdict>,
        bytes: &[u8],
        now: Now,
        rng: &mut fastrand::Rng,
        events: &mut Vec<LaneEvent>,
    ) {
        let Position { partition, epoch, .. } = item.pending.position();
        if self.live_epoch(partition) != Some(epoch) {
            if item.head {
                self.lanes[index].head_ended(item.key_hash);
            }
            if !self.conduct.has(Bug::TrustEndedEpoch) {
                item.pending.abandon();
                return;
            }
        }
        let effect = &bytes[item.start as usize..item.start as usize + item.len as usize];
        let Some(verdict) = verdict else {
            self.lanes[index].put_back(item, effect, events);
            return;
        };
        let action = self.action(verdict, &item);
        let lane = &mut self.lanes[index];
        match action {
            Action::Close { superseded } => {
                if item.head {
                    lane.head_ended(item.key_hash);
                }
                events.push(LaneEvent::Closed { pending: item.pending, superseded });
            }
            Action::DeadLetter(reason) => {
                item.tries.failures += 1;
                lane.await_dead_letter(item.key_hash);
                let Item { pending, key_hash, tries, .. } = item;
                events.push(LaneEvent::Refused { pending, key_hash, reason, tries });
            }
            Action::Park { counts, reason } => {
                self.status.retries += 1;
                if let Some(reason) = reason {
                    self.status.last_error = Some(reason);
                }
                if item.tries.failures == 0 {
                    item.tries.first_failure_ms = now.unix_ms;
                }
                item.tries.failures = item.tries.failures.saturating_add(1);
                item.tries.counted += u32::from(counts);
                let due_ms = now.plus_ms(self.settings.retry.wait_ms(item.tries.failures, rng));
                if self.conduct.has(Bug::RetryOutOfOrder) {
                    lane.enqueue(item.pending, item.key_hash, item.domain, effect);
                } else {
                    lane.park(item, effect, due_ms, events);
                }
            }
        }
    }

    fn action(&self, verdict: Verdict, item: &Item) -> Action {
        let verdict = match verdict {
            Verdict::Overloaded if self.conduct.has(Bug::Ignore429Items) => Verdict::Done,
            Verdict::Overloaded if self.conduct.has(Bug::DeadLetterOverloaded) => {
                Verdict::Refused(Reason::new("overloaded", "sabotage"))
            }
            verdict => verdict,
        };
        match verdict.policy(item.tries.counted, self.settings.attempts_max) {
            Action::DeadLetter(reason) if self.last_resort => {
                Action::Park { counts: false, reason: Some(reason) }
            }
            action => action,
        }
    }

    /// When something here becomes due by itself.
    pub(crate) fn wake_at_ms(&self) -> Option<u64> {
        match self.breaker.state() {
            BreakerState::Probing => None,
            BreakerState::Open { probe_at_ms } => {
                let due = self.lanes.iter().filter_map(|lane| lane.wake_at_ms(true)).min();
                due.map(|due_ms| due_ms.max(probe_at_ms))
            }
            BreakerState::Closed if self.flying >= self.pacing.flights() => None,
            BreakerState::Closed => self.lanes.iter().filter_map(|lane| lane.wake_at_ms(false)).min(),
        }
    }

    pub(crate) fn epoch_began(&mut self, partition: PartitionId, epoch: Epoch) {
        if self.epochs.len() <= partition.index() {
            self.epochs.resize(partition.index() + 1, None);
        }
        self.epochs[partition.index()] = Some(epoch);
    }

    pub(crate) fn epoch_ended(&mut self, partition: PartitionId, epoch: Epoch, events: &mut Vec<LaneEvent>) {
        if let Some(live) = self.epochs.get_mut(partition.index()).filter(|live| **live == Some(epoch)) {
            *live = None;
        }
        self.machine.forget(partition, epoch);
        self.purge(partition, epoch, events);
    }

    /// Gives up what waits and has not been sent; what is in the air goes on.
    pub(crate) fn purge(&mut self, partition: PartitionId, epoch: Epoch, events: &mut Vec<LaneEvent>) {
        for lane in &mut self.lanes {
            lane.purge(|pending| is_of(pending, partition, epoch), events);
        }
    }

    /// Whether an effect of that epoch is in the air.
    pub(crate) fn flies(&self, partition: PartitionId, epoch: Epoch) -> bool {
        self.lanes.iter().any(|lane| lane.flies(|pending| is_of(pending, partition, epoch)))
    }

    pub(crate) fn dead_letter_ended(&mut self, lane: LaneId, key_hash: u64, events: &mut Vec<LaneEvent>) {
        self.lanes[usize::from(lane.0)].dead_letter_ended(key_hash, events);
    }

    pub(crate) fn lane_of(&self, key_hash: u64) -> LaneId {
        LaneId(((key_hash >> 32) as usize % self.lanes.len()) as u16)
    }

    pub(crate) fn status(&self) -> SinkStatus {
        SinkStatus {
            effects: self.lanes.iter().map(Lane::len).sum(),
            parked_keys: self.lanes.iter().map(Lane::parked_keys).sum(),
            flights: self.flying,
            breaker_closed: self.breaker.state() == BreakerState::Closed,
            breaker_opened: self.breaker.times_opened(),
            ..self.status.clone()
        }
    }

    pub(crate) fn stuck(&self) -> impl Iterator<Item = (Position, &'static str)> + '_ {
        self.lanes.iter().flat_map(Lane::stuck)
    }
}

fn is_of(pending: &Pending, partition: PartitionId, epoch: Epoch) -> bool {
    let position = pending.position();
    position.partition == partition && position.epoch == epoch
}

#[cfg(test)]
mod tests;
