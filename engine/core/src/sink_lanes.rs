//! All lanes of one sink, under one breaker and one pace: when flights leave.

mod landing;
mod settings;
#[cfg(test)]
mod tests;

use crate::breaker::{Breaker, BreakerState};
use crate::flight::{Item, Queued};
use crate::lane::{FlightLimits, Lane, LaneEvent};
use crate::measured::Measured;
use crate::pacing::Pacing;
use crate::position::{Epoch, PartitionId, Position};
use crate::sabotage::{Bug, Conduct};
use crate::sink::{Domain, LaneId, Next, Reply, Request, SinkMachine};
use crate::time::Now;
use crate::tracker::Pending;
pub use settings::{SinkSettings, SinkStatus};

/// A request that must be sent, with the lane whose flight it belongs to.
#[derive(Debug)]
pub(crate) struct Departure {
    pub(crate) lane: LaneId,
    pub(crate) request: Request,
}

/// What the lanes need of the worker's turn.
pub(crate) struct Turn<'t> {
    pub(crate) now: Now,
    pub(crate) rng: &'t mut fastrand::Rng,
    /// Requests to send.
    pub(crate) out: &'t mut Vec<Departure>,
    /// What became of effects.
    pub(crate) events: &'t mut Vec<LaneEvent>,
    pub(crate) measured: &'t mut Measured,
}

impl<'t> Turn<'t> {
    pub(crate) fn new(
        now: Now,
        rng: &'t mut fastrand::Rng,
        out: &'t mut Vec<Departure>,
        events: &'t mut Vec<LaneEvent>,
        measured: &'t mut Measured,
    ) -> Self {
        Self { now, rng, out, events, measured }
    }
}

/// Whoever has lost a partition may go on with it for so long after another was given it, and read what comes meanwhile: it
/// hears of the loss with its next heartbeat, a second later by default, or may have been suspended for a moment too short
/// for the fence.
const UNNOTICED_MS: u64 = 5_000;

/// How an epoch began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Began {
    pub(crate) epoch: Epoch,
    /// One above the last record that was in the partition's log.
    pub(crate) log_end: i64,
    /// Uptime.
    pub(crate) at_ms: u64,
}

pub(crate) struct SinkLanes<X, M: ?Sized = dyn SinkMachine> {
    machine: Box<M>,
    lanes: Vec<Lane>,
    settings: SinkSettings,
    breaker: Breaker,
    pacing: Pacing,
    /// Live epochs by partition: effects of others are given up when they land.
    epochs: Vec<Option<Began>>,
    flying: usize,
    /// The lane that gets the first chance to send next.
    first_lane: usize,
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
            first_lane: 0,
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
        now: Now,
    ) -> LaneId {
        let lane = (key_hash >> 32) as usize % self.lanes.len();
        self.lanes[lane].enqueue(pending, key_hash, domain, bytes, Queued::at(now.uptime_ms));
        LaneId(lane as u16)
    }

    /// Starts every flight that may leave now.
    pub(crate) fn pump(&mut self, turn: &mut Turn<'_>) {
        let lanes = self.lanes.len();
        for step in 0..lanes {
            let index = (self.first_lane + step) % lanes;
            // A sink may settle a flight without a request (all superseded): then the lane goes on at once.
            while self.may_leave(index, turn.now) {
                let Some(probe) = self.breaker.admits(turn.now.uptime_ms) else { return };
                let limits = FlightLimits {
                    items: if probe { 1 } else { self.pacing.items() },
                    bytes: self.pacing.bytes(),
                    one_per_domain: self.machine.one_per_domain() && !self.conduct.has(Bug::TwoOfADomain),
                };
                if !self.lanes[index].load(limits, turn.events) {
                    break;
                }
                self.flying += 1;
                self.begin(index, probe, turn);
            }
        }
        self.first_lane = (self.first_lane + 1) % lanes;
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

    fn begin(&mut self, index: usize, probe: bool, turn: &mut Turn<'_>) {
        let lane = LaneId(index as u16);
        let ours_for_ms = self.ours_for_ms(index, turn.now);
        let flight = self.lanes[index].flight_mut().expect("the flight was just loaded");
        flight.ours_for_ms = ours_for_ms;
        let next = self.machine.begin(lane, flight);
        if matches!(next, Next::Settled) {
            self.land_unasked(lane, turn);
            return;
        }
        flight.departed_ms = turn.now.uptime_ms;
        // Dead letters are not what a flow is for: their own flights are not measured.
        if !self.last_resort {
            let wait_ms = flight.longest_wait_ms(turn.now.uptime_ms);
            turn.measured.departs(flight.len(), wait_ms);
        }
        if probe {
            self.breaker.probe_left();
        }
        self.go_on(lane, next, turn);
    }

    /// See [`crate::flight::Flight::ours_for_ms`].
    fn ours_for_ms(&self, index: usize, now: Now) -> Option<u64> {
        if !self.machine.asks_for_others() || self.conduct.has(Bug::ForgetWhoWasBefore) {
            return None;
        }
        let of_others = |item: &Item| {
            let Position { partition, offset, .. } = item.pending.position();
            let began = self.epochs.get(partition.index()).copied().flatten()?;
            let age_ms = now.uptime_ms.saturating_sub(began.at_ms);
            let queued_at_ms = age_ms.saturating_sub(item.queued.wait_ms(now.uptime_ms).into());
            let may_be = offset < began.log_end || queued_at_ms < UNNOTICED_MS;
            may_be.then(|| age_ms.saturating_sub(UNNOTICED_MS))
        };
        self.lanes[index].items_in_flight().filter_map(of_others).min()
    }

    /// The reply to the lane's last request.
    pub(crate) fn replied(&mut self, lane: LaneId, reply: Reply, turn: &mut Turn<'_>) {
        let flight =
            self.lanes[usize::from(lane.0)].flight_mut().expect("a reply answers a request of a flight");
        let next = self.machine.resume(lane, flight, reply);
        self.go_on(lane, next, turn);
    }

    fn go_on(&mut self, lane: LaneId, next: Next, turn: &mut Turn<'_>) {
        match next {
            Next::Send(_) if self.is_outdated(lane) => self.cut(lane, turn),
            Next::Send(request) => {
                self.status.requests += 1;
                turn.out.push(Departure { lane, request });
            }
            Next::Settled => self.land(lane, None, turn),
            Next::Failed(failure) => self.land(lane, Some(failure), turn),
        }
    }

    /// Whether the lane's flight carries an effect whose epoch has ended: then its next request must not leave.
    pub(crate) fn is_outdated(&self, lane: LaneId) -> bool {
        let ended = |position: Position| self.live_epoch(position.partition) != Some(position.epoch);
        self.lanes[usize::from(lane.0)].in_flight().any(ended)
    }

    fn live_epoch(&self, partition: PartitionId) -> Option<Epoch> {
        self.epochs.get(partition.index()).copied().flatten().map(|began| began.epoch)
    }

    /// Whether as much waits as all lanes' next flights can take: more would only lie there, and leave the processor's
    /// caches.
    ///
    /// Together, not each: one lane always has a little more to do than the others, and waiting for the others to be full
    /// too would let it grow until memory ends it.
    pub(crate) fn is_saturated(&self) -> bool {
        let waiting: usize = self.lanes.iter().map(Lane::waiting).sum();
        waiting >= self.pacing.items() * self.lanes.len()
    }

    /// When something here becomes due by itself.
    pub(crate) fn wake_at_ms(&self) -> Option<u64> {
        match self.breaker.state() {
            // The end of a flight is an event.
            _ if self.flying >= self.pacing.flights() => None,
            BreakerState::Probing => None,
            BreakerState::Open { probe_at_ms } => {
                let due = self.lanes.iter().filter_map(|lane| lane.wake_at_ms(true)).min();
                due.map(|due_ms| due_ms.max(probe_at_ms))
            }
            BreakerState::Closed => self.lanes.iter().filter_map(|lane| lane.wake_at_ms(false)).min(),
        }
    }

    pub(crate) fn epoch_began(&mut self, partition: PartitionId, began: Began) {
        if self.epochs.len() <= partition.index() {
            self.epochs.resize(partition.index() + 1, None);
        }
        self.epochs[partition.index()] = Some(began);
    }

    pub(crate) fn epoch_ended(&mut self, partition: PartitionId, epoch: Epoch, events: &mut Vec<LaneEvent>) {
        if self.live_epoch(partition) == Some(epoch) {
            self.epochs[partition.index()] = None;
        }
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

    /// Whether an effect of that epoch is anywhere here.
    pub(crate) fn holds(&self, partition: PartitionId, epoch: Epoch) -> bool {
        self.lanes.iter().any(|lane| lane.holds(|pending| is_of(pending, partition, epoch)))
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
            parked_since_ms: self.lanes.iter().filter_map(Lane::parked_since_ms).min(),
            flights: self.flying,
            breaker_closed: self.breaker.state() == BreakerState::Closed,
            breaker_probing: self.breaker.state() == BreakerState::Probing,
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
