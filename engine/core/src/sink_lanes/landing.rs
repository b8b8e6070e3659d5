//! How flights end: what a reply says about the sink, the lane and each effect.

use crate::breaker::BreakerState;
use crate::failure::{Action, Reason, RequestFailure, Verdict};
use crate::flight::{Flight, Item};
use crate::lane::{Lane, LaneEvent};
use crate::position::Position;
use crate::sabotage::{Bug, Conduct};
use crate::sink::{LaneId, SinkMachine};
use crate::sink_lanes::{SinkLanes, Turn};
use crate::time::Now;

impl<X: Conduct, M: SinkMachine + ?Sized> SinkLanes<X, M> {
    /// Ends the lane's flight between two of its requests: what is still ours goes back, the rest is given up.
    pub(crate) fn cut(&mut self, lane: LaneId, turn: &mut Turn<'_>) {
        let mut flight = self.lanes[usize::from(lane.0)].land().expect("the lane has a flight");
        self.flying -= 1;
        flight.verdicts.fill(None);
        self.disband(usize::from(lane.0), flight, turn);
        if self.breaker.state() == BreakerState::Probing {
            self.breaker.failed(turn.now.uptime_ms);
        }
    }

    /// A flight has ended: judged effect by effect, or failed as a whole.
    pub(super) fn land(&mut self, lane: LaneId, failure: Option<RequestFailure>, turn: &mut Turn<'_>) {
        let index = usize::from(lane.0);
        let mut flight = self.lanes[index].land().expect("the lane has a flight");
        self.flying -= 1;
        if !self.last_resort {
            let flight_ms = turn.now.uptime_ms.saturating_sub(flight.departed_ms);
            turn.measured.latencies.flight_ms.saturating_record(flight_ms);
        }
        self.judge_flight(index, &mut flight, failure, turn);
        self.disband(index, flight, turn);
    }

    /// A flight was settled without a request: that says nothing about the sink.
    pub(super) fn land_unasked(&mut self, lane: LaneId, turn: &mut Turn<'_>) {
        let index = usize::from(lane.0);
        let flight = self.lanes[index].land().expect("the lane has a flight");
        self.flying -= 1;
        assert!(
            flight.verdicts.iter().all(Option::is_some),
            "a settled flight has a verdict for every effect"
        );
        self.lanes[index].cleared(flight.len());
        self.disband(index, flight, turn);
    }

    /// Sends every effect of a landed flight where its verdict says.
    fn disband(&mut self, index: usize, mut flight: Flight, turn: &mut Turn<'_>) {
        let told = turn.events.len();
        // Taken out for the loop, and given back for the next flight: they have grown to its size.
        let bytes = std::mem::take(&mut flight.bytes);
        let mut verdicts = std::mem::take(&mut flight.verdicts);
        let mut items = std::mem::take(&mut flight.items);
        // Youngest first: what goes back to the front then stands in order.
        for (item, verdict) in items.drain(..).zip(verdicts.drain(..)).rev() {
            self.decide(index, item, verdict, &bytes, turn);
        }
        let told = &mut turn.events[told..];
        if told.iter().any(|event| matches!(event, LaneEvent::Refused { .. } | LaneEvent::Followed { .. })) {
            // Oldest first: so the dead letters of a key, and what follows, are queued in the order of the log.
            told.reverse();
        }
        (flight.bytes, flight.verdicts, flight.items) = (bytes, verdicts, items);
        self.lanes[index].landed(flight, turn.events);
    }

    /// Draws the consequences for the lane, the breaker and the pace; turns a refused request of one effect into
    /// that effect's verdict.
    fn judge_flight(
        &mut self,
        index: usize,
        flight: &mut Flight,
        failure: Option<RequestFailure>,
        turn: &mut Turn<'_>,
    ) {
        let unsettled = flight.verdicts.iter().filter(|verdict| verdict.is_none()).count();
        let retry = self.settings.retry;
        let lane = &mut self.lanes[index];
        match failure {
            None => {
                assert!(unsettled == 0, "a settled flight has a verdict for every effect");
                lane.cleared(flight.len());
                self.judge_items(index, flight, turn.now);
            }
            Some(RequestFailure::Overloaded) => {
                self.status.overloaded += unsettled as u64;
                self.pacing.overloaded();
                lane.wait_until(|failures| turn.now.plus_ms(retry.wait_ms(failures, turn.rng)));
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
                lane.wait_until(|failures| turn.now.plus_ms(retry.wait_ms(failures, turn.rng)));
                if self.conduct.has(Bug::DeadLetterWhenDown) {
                    crate::sink::settle_rest(flight, &Verdict::Refused(reason));
                } else if self.conduct.has(Bug::UnknownIsDone) {
                    crate::sink::settle_rest(flight, &Verdict::Done);
                }
                self.sink_is_down(turn.now);
            }
        }
    }

    /// A flight whose items were judged one by one: what they say about the sink as a whole.
    fn judge_items(&mut self, index: usize, flight: &Flight, now: Now) {
        let (mut alive, mut overloaded, mut told, mut down) = (0usize, 0usize, false, None);
        for verdict in flight.verdicts.iter().flatten() {
            match verdict {
                Verdict::Done
                | Verdict::Answered(_)
                | Verdict::Superseded
                | Verdict::Refused(_)
                | Verdict::NotYet { .. }
                | Verdict::Unclear(_) => alive += 1,
                Verdict::Overloaded => overloaded += 1,
                Verdict::ComeBack { .. } => (overloaded, told) = (overloaded + 1, true),
                Verdict::SinkDown(reason) | Verdict::Unknown(reason) | Verdict::Unsettled { reason, .. } => {
                    down = Some(reason);
                }
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
        // One stubborn document is no overload: only a good part of a flight slows the sink down, or its own word.
        if told || (overloaded > 1 && overloaded * 10 >= flight.len()) {
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

    fn decide(
        &mut self,
        index: usize,
        mut item: Item,
        verdict: Option<Verdict>,
        bytes: &[u8],
        turn: &mut Turn<'_>,
    ) {
        let Position { partition, epoch, .. } = item.pending.position();
        if self.live_epoch(partition) != Some(epoch) {
            if item.head {
                self.lanes[index].head_ended(item.key_hash);
            }
            match verdict {
                Some(Verdict::Done) if self.conduct.has(Bug::TrustEndedEpoch) => {
                    turn.events.push(LaneEvent::Closed { pending: item.pending, superseded: false });
                }
                _ => item.pending.abandon(),
            }
            return;
        }
        let effect = &bytes[item.start as usize..item.start as usize + item.len as usize];
        let Some(verdict) = verdict else {
            self.lanes[index].put_back(item, effect, turn.events);
            return;
        };
        let action = self.action(verdict, &item, effect);
        let lane = &mut self.lanes[index];
        match action {
            Action::Follow(follow_up) => {
                if item.head {
                    lane.head_ended(item.key_hash);
                }
                let Item { pending, key_hash, .. } = item;
                turn.events.push(LaneEvent::Followed { pending, key_hash, follow_up });
            }
            Action::Close { superseded } => {
                if item.head {
                    lane.head_ended(item.key_hash);
                }
                turn.events.push(LaneEvent::Closed { pending: item.pending, superseded });
            }
            Action::DeadLetter(reason) => {
                item.tries.failures += 1;
                lane.await_dead_letter(item.key_hash, turn.now.uptime_ms);
                let Item { pending, key_hash, tries, .. } = item;
                turn.events.push(LaneEvent::Refused { pending, key_hash, reason, tries });
            }
            Action::Park { counts, reason, at_least_ms } => {
                self.status.retries += 1;
                if let Some(reason) = reason {
                    self.status.last_error = Some(reason);
                }
                if item.tries.failures == 0 {
                    item.tries.first_failure_ms = turn.now.unix_ms;
                }
                item.tries.failures = item.tries.failures.saturating_add(1);
                item.tries.counted += u32::from(counts);
                let wait_ms = self.settings.retry.wait_ms(item.tries.failures, turn.rng);
                let due_ms = turn.now.plus_ms(wait_ms.max(at_least_ms));
                if self.conduct.has(Bug::RetryOutOfOrder) {
                    lane.enqueue(item.pending, item.key_hash, item.domain, effect, item.queued);
                } else {
                    lane.park(item, effect, due_ms, turn.now.uptime_ms, turn.events);
                }
            }
        }
    }

    fn action(&mut self, verdict: Verdict, item: &Item, effect: &[u8]) -> Action {
        let verdict = match verdict {
            Verdict::Overloaded | Verdict::ComeBack { .. } if self.conduct.has(Bug::Ignore429Items) => {
                Verdict::Done
            }
            Verdict::Overloaded if self.conduct.has(Bug::DeadLetterOverloaded) => {
                Verdict::Refused(Reason::new("overloaded", "sabotage"))
            }
            verdict => verdict,
        };
        let unclear = matches!(verdict, Verdict::Unclear(_));
        match verdict.policy(item.tries.counted, self.settings.attempts_max) {
            Action::DeadLetter(reason) if self.last_resort => {
                Action::Park { counts: false, reason: Some(reason), at_least_ms: 0 }
            }
            Action::DeadLetter(reason) if unclear => {
                let attempts = item.tries.failures.saturating_add(1);
                match self.machine.gave_up(effect, &reason, attempts) {
                    Some(follow_up) => Action::Follow(follow_up),
                    None => Action::DeadLetter(reason),
                }
            }
            action => action,
        }
    }
}
