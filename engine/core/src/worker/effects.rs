//! Effects out: flights, replies, and the dead letters that follow from them.

use std::collections::VecDeque;

use crate::dead_letter::DeadLetter;
use crate::failure::Reason;
use crate::flight::Tries;
use crate::lane::LaneEvent;
use crate::operator::Operator;
use crate::outcome::Outcome;
use crate::position::{PartitionId, Position};
use crate::record::Record;
use crate::sabotage::{Bug, Conduct};
use crate::sink::{FollowUp, FollowUps, LaneId, Reply};
use crate::sink_lanes::{Departure, Turn};
use crate::time::Now;
use crate::tracker::Pending;
use crate::worker::interface::{Command, SinkIndex};
use crate::worker::{PartitionName, Worker};

/// Who waits for a dead letter's acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitsFor {
    /// The key, before the first operator.
    Admission,
    /// The key, at a sink's lane.
    Lane(SinkIndex, LaneId),
}

#[derive(Debug)]
pub(super) struct Awaited {
    waits: WaitsFor,
    key_hash: u64,
}

/// Why a record becomes a dead letter.
pub(super) struct Rejection {
    pub(super) key_hash: u64,
    pub(super) reason: Reason,
    pub(super) tries: Tries,
    pub(super) waits: WaitsFor,
}

impl<O: Operator, X: Conduct> Worker<O, X> {
    /// The reply to the request that is out for that lane of that sink.
    pub fn replied(&mut self, sink: SinkIndex, lane: LaneId, reply: Reply, now: Now) {
        self.turn(now);
        let mut turn =
            Turn::new(now, &mut self.rng, &mut self.departures, &mut self.lane_events, &mut self.measured);
        match self.sinks.get_mut(usize::from(sink.0)) {
            Some(lanes) => lanes.replied(lane, reply, &mut turn),
            None => self.dead_letters.replied(lane, reply, &mut turn),
        }
        self.depart(sink);
        self.digest(sink);
        self.settle(now);
    }

    /// Starts the flights that may leave, and draws the consequences, until nothing moves.
    pub(super) fn pump(&mut self, now: Now) {
        if self.commits.is_fencing() {
            return;
        }
        loop {
            for index in 0..self.sinks.len() {
                let mut turn = Turn::new(
                    now,
                    &mut self.rng,
                    &mut self.departures,
                    &mut self.lane_events,
                    &mut self.measured,
                );
                self.sinks[index].pump(&mut turn);
                let sink = SinkIndex(index as u8);
                self.depart(sink);
                self.digest(sink);
            }
            let letters = SinkIndex(self.sinks.len() as u8);
            let mut turn = Turn::new(
                now,
                &mut self.rng,
                &mut self.departures,
                &mut self.lane_events,
                &mut self.measured,
            );
            self.dead_letters.pump(&mut turn);
            self.depart(letters);
            if !self.digest(letters) {
                return;
            }
        }
    }

    fn depart(&mut self, sink: SinkIndex) {
        for Departure { lane, request } in self.departures.drain(..) {
            if self.commits.is_fencing() {
                self.fenced.push((sink, lane, request));
            } else {
                self.commands.push_back(Command::Send { sink, lane, request });
            }
        }
    }

    /// The fence is down: requests that waited for it leave, unless they carry what is not ours any more.
    pub(super) fn unfence(&mut self, now: Now) {
        for (sink, lane, request) in std::mem::take(&mut self.fenced) {
            let mut turn = Turn::new(
                now,
                &mut self.rng,
                &mut self.departures,
                &mut self.lane_events,
                &mut self.measured,
            );
            match self.sinks.get_mut(usize::from(sink.0)) {
                Some(lanes) if lanes.is_outdated(lane) => lanes.cut(lane, &mut turn),
                None if self.dead_letters.is_outdated(lane) => self.dead_letters.cut(lane, &mut turn),
                _ => self.commands.push_back(Command::Send { sink, lane, request }),
            }
        }
    }

    /// What the lanes of that sink reported. Answers whether anything happened.
    fn digest(&mut self, sink: SinkIndex) -> bool {
        let mut events = std::mem::take(&mut self.lane_events);
        let any = !events.is_empty();
        for event in events.drain(..) {
            match event {
                LaneEvent::Closed { pending, .. } if self.is_dead_letters(sink) => {
                    self.dead_lettered(pending)
                }
                LaneEvent::Closed { pending, superseded, .. } => {
                    self.close(pending, if superseded { Outcome::Superseded } else { Outcome::Delivered });
                }
                LaneEvent::Followed { pending, key_hash, follow_up } => {
                    self.follow(sink, pending, key_hash, &follow_up);
                }
                LaneEvent::Refused { pending, key_hash, reason, tries } => {
                    self.refused(sink, pending, key_hash, reason, tries);
                }
                LaneEvent::Waits(position) => self.copy_out(position),
                LaneEvent::Congested { partition, on } => self.congest(partition, on),
            }
        }
        // The buffer goes back, with what was reported meanwhile.
        events.append(&mut self.lane_events);
        let more = !events.is_empty();
        self.lane_events = events;
        if more {
            self.digest(sink);
        }
        any
    }

    /// An effect has ended, and another one follows from it: the record's part is that one's from now on, so the record
    /// ends with it.
    fn follow(&mut self, sink: SinkIndex, pending: Pending, key_hash: u64, follow_up: &FollowUp) {
        let FollowUp { sink: next, domain, bytes } = follow_up;
        let said = self.sinks[usize::from(sink.0)].machine().follow_ups();
        let fits = |said: FollowUps| said.sink == *next && bytes.len() <= said.bytes_max as usize;
        assert!(said.is_some_and(fits), "what follows is what the sink has said, and was reserved for");
        if self.conduct.has(Bug::ForgetFollowUps) {
            return self.close(pending, Outcome::Delivered);
        }
        let pending = if self.conduct.has(Bug::CloseBeforeFollowUp) {
            let stray = pending.stray();
            self.close(pending, Outcome::Delivered);
            stray
        } else {
            pending
        };
        self.sinks[usize::from(*next)].enqueue(pending, key_hash, *domain, bytes, self.now);
    }

    fn is_dead_letters(&self, sink: SinkIndex) -> bool {
        usize::from(sink.0) == self.sinks.len()
    }

    fn copy_out(&mut self, position: Position) {
        if let Some(state) = self.partition(position) {
            let spent = state.originals.copy_out(position.offset);
            self.spent.extend(spent);
        }
    }

    /// A sink refused an effect: the record it came from is dead-lettered.
    fn refused(&mut self, sink: SinkIndex, pending: Pending, key_hash: u64, reason: Reason, tries: Tries) {
        let position = pending.position();
        let lane = self.sinks[usize::from(sink.0)].lane_of(key_hash);
        if self.conduct.has(Bug::DeadLetterNotAwaited) {
            self.sinks[usize::from(sink.0)].dead_letter_ended(lane, key_hash, &mut self.lane_events);
            self.close(pending, Outcome::DeadLettered);
            return;
        }
        self.copy_out(position);
        let original = self.partition(position).and_then(|state| state.originals.copy_of(position.offset));
        let original = original.expect("an open record's original is kept");
        let rejection = Rejection { key_hash, reason, tries, waits: WaitsFor::Lane(sink, lane) };
        self.dead_letter(pending, &original.as_record(), &rejection);
    }

    /// Queues the record's dead letter; whoever waits for it goes on once it is acknowledged.
    pub(super) fn dead_letter(&mut self, pending: Pending, record: &Record<'_>, rejection: &Rejection) {
        let position = record.position;
        let Some(Some(PartitionName { topic, number })) = self.names.get(position.partition.index()) else {
            unreachable!("a record is of a named partition")
        };
        let stage = match rejection.waits {
            WaitsFor::Admission => self.settings.operator.as_str(),
            WaitsFor::Lane(sink, _) => self.sink_names[usize::from(sink.0)],
        };
        let last_failure_ms = self.now.unix_ms;
        let first_failure_ms = match rejection.tries.first_failure_ms {
            0 => last_failure_ms,
            first => first,
        };
        let letter = DeadLetter {
            record,
            topic,
            partition_number: *number,
            flow: &self.settings.flow,
            stage,
            reason: &rejection.reason,
            attempts: rejection.tries.failures,
            first_failure_ms,
            last_failure_ms,
        };
        self.collected.clear();
        let domain = self.dead_letters.machine().encode(&letter, &mut self.collected.bytes);
        let Rejection { key_hash, waits, .. } = *rejection;
        self.dead_letters.enqueue(pending, key_hash, domain, &self.collected.bytes, self.now);
        let place = (position.partition, position.offset);
        self.awaited.entry(place).or_default().push_back(Awaited { waits, key_hash });
    }

    /// A dead letter is acknowledged.
    fn dead_lettered(&mut self, pending: Pending) {
        let position = pending.position();
        self.close(pending, Outcome::DeadLettered);
        let place = (position.partition, position.offset);
        let Some(waiting) = self.awaited.get_mut(&place) else { return };
        let next = waiting.pop_front();
        if waiting.is_empty() {
            self.awaited.remove(&place);
        }
        if let Some(awaited) = next {
            self.let_go(&awaited);
        }
    }

    fn let_go(&mut self, awaited: &Awaited) {
        match awaited.waits {
            WaitsFor::Admission => self.admit_held(awaited.key_hash),
            WaitsFor::Lane(sink, lane) => {
                let events = &mut self.lane_events;
                self.sinks[usize::from(sink.0)].dead_letter_ended(lane, awaited.key_hash, events);
            }
        }
    }

    /// Nobody will acknowledge the dead letters of a partition whose epoch has ended: let their keys go.
    pub(super) fn forget_awaited(&mut self, partition: PartitionId) {
        let ended: Vec<_> = self.awaited.keys().filter(|place| place.0 == partition).copied().collect();
        for place in ended {
            let waiting = self.awaited.remove(&place).unwrap_or_else(VecDeque::new);
            for awaited in &waiting {
                self.let_go(awaited);
            }
        }
    }
}
