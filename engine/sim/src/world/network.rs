//! The network between processes and outside systems: what arrives, when, and what comes back.

use std::rc::Rc;

use thalweg_core::sink::{LaneId, Reply, Request};
use thalweg_core::worker::SinkIndex;

use crate::checks::{Checked, Violation};
use crate::flow::{Flow, Outside};
use crate::plan::TRAVEL_MS_MAX;
use crate::tally::Count;
use crate::twins::dead_letter_topic::Letter;
use crate::weather::{Outage, Trouble};
use crate::world::World;
use crate::world::event::{Event, Message, Travel};

impl<F: Flow> World<F> {
    /// A worker's request leaves.
    pub(crate) fn send(&mut self, number: usize, sink: SinkIndex, lane: LaneId, request: Request) -> Checked {
        let id = self.next_id();
        self.tally.one(Count::Requests);
        let process = &mut self.processes[number];
        let (incarnation, starts) = (process.life.incarnation, Rc::clone(&process.starts));
        if process.outstanding.insert((sink, lane), id).is_some() {
            let detail = format!("{sink:?} {lane:?} has a second request out");
            return Err(Violation::new("one_request_per_lane", detail));
        }
        if process.must_fence {
            let detail = format!("process {number} sent to {sink:?} {lane:?} before its commit was answered");
            return Err(Violation::new("fence_before_request", detail));
        }
        self.trace.note(self.now_ms, &[2, number as u64, u64::from(sink.0), u64::from(lane.0)], || {
            let body = String::from_utf8_lossy(&request.body[..request.body.len().min(300)]).into_owned();
            format!(
                "process {number} sends {id} to {sink:?} {lane:?}: operation {} {body:?}",
                request.operation
            )
        });
        let gives_up_ms = self.now_ms + self.plan.request_timeout_ms;
        let timeout = Reply::Unknown("no answer in time".to_owned());
        self.reply(gives_up_ms, (number, incarnation), (id, sink, lane), timeout);
        let place = usize::from(sink.0);
        let is_sink = place + 1 < self.systems.len();
        let settings =
            if is_sink { self.flow.sink_settings(place, self.plan.sink) } else { self.plan.letters };
        let system = &mut self.systems[place];
        let outage = system.weather.outage();
        if outage.is_some() {
            system.patience.sent(incarnation, &settings, self.now_ms)?;
        }
        if outage == Some(Outage::Refuses) {
            let soon_ms = self.now_ms + self.rng.u64(1..10);
            let refused = Reply::NotSent("connection refused".to_owned());
            self.reply(soon_ms, (number, incarnation), (id, sink, lane), refused);
            return Ok(());
        }
        if outage == Some(Outage::Silent) || system.weather.strikes(Trouble::RequestsLost) {
            return Ok(());
        }
        let delay_ms = self.latency(place);
        let process = number;
        let travel = Travel { id, process, incarnation, sink, lane, request, gives_up_ms, starts };
        self.after(delay_ms, Event::Arrive(travel));
        Ok(())
    }

    fn latency(&mut self, place: usize) -> u64 {
        let slow = self.systems[place].weather.strikes(Trouble::Slow);
        match slow {
            false => self.rng.u64(1..30),
            // Half of the slow ones still come in time for somebody to believe them.
            true if self.rng.bool() => self.rng.u64(200..1_500),
            true => self.rng.u64(200..TRAVEL_MS_MAX),
        }
    }

    fn reply(
        &mut self,
        at_ms: u64,
        (number, incarnation): (usize, u64),
        (id, sink, lane): (u64, SinkIndex, LaneId),
        reply: Reply,
    ) {
        let message = Message::Reply { id, sink, lane, reply };
        self.at(at_ms, Event::Process(number, incarnation, message));
    }

    /// A request has arrived at its outside system.
    #[expect(clippy::needless_pass_by_value, reason = "a request arrives once")]
    pub(crate) fn arrive(&mut self, travel: Travel) -> Checked {
        let Travel { id, process, incarnation, sink, lane, ref request, gives_up_ms, .. } = travel;
        let place = usize::from(sink.0);
        match self.systems[place].weather.outage() {
            Some(Outage::Silent) => return Ok(()),
            Some(Outage::Refuses) => {
                let reset = Reply::Unknown("connection reset".to_owned());
                let soon_ms = self.now_ms + self.rng.u64(1..10);
                self.reply(soon_ms, (process, incarnation), (id, sink, lane), reset);
                return Ok(());
            }
            None => {}
        }
        if gives_up_ms < self.now_ms || self.processes[process].life.incarnation != incarnation {
            self.tally.one(Count::LateResponses);
        }
        let (status, body) =
            if place + 1 < self.systems.len() { self.serve(&travel)? } else { self.take_letters(request)? };
        self.trace.note(self.now_ms, &[3, id, u64::from(status), body.len() as u64], || {
            let body = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
            format!("{sink:?} answers {id} of process {process}: {status} {body}")
        });
        if !self.systems[place].weather.strikes(Trouble::AnswersLost) {
            let at_ms = self.now_ms + self.latency(place);
            self.reply(at_ms, (process, incarnation), (id, sink, lane), Reply::Answer { status, body });
        }
        Ok(())
    }

    fn serve(&mut self, travel: &Travel) -> Result<(u16, Vec<u8>), Violation> {
        let place = usize::from(travel.sink.0);
        let weather = &mut self.systems[place].weather;
        let (before, mut touches) = (weather.items_429, Vec::new());
        let answer = self.outside.serve(place, &travel.request, weather, &mut touches);
        self.tally.add(Count::Items429, weather.items_429 - before);
        if let Some(broken) = self.outside.broken() {
            return Err(broken);
        }
        let exclusive = self.outside.one_per_domain(place);
        for (index, touch) in touches.iter().enumerate() {
            if exclusive && touches[..index].iter().any(|earlier| earlier.domain == touch.domain) {
                let detail = format!("{touch:?} is the second of its domain in request {}", travel.id);
                return Err(Violation::new("one_write_per_domain", detail));
            }
            if self.ledger.touched(touch, &travel.starts)? {
                self.tally.one(Count::EffectsAgain);
            }
        }
        Ok(answer)
    }

    fn take_letters(&mut self, request: &Request) -> Result<(u16, Vec<u8>), Violation> {
        let mut taken = Vec::new();
        let place = self.systems.len() - 1;
        let answer = self.letters.serve(request, &mut self.systems[place].weather, &mut taken);
        for letter in &taken {
            let (partition, offset) = letter.original;
            self.is_whole(letter)?;
            let twice = self.ledger.lettered(partition, offset)?;
            self.tally.one(if twice { Count::DeadLettersTwice } else { Count::DeadLetters });
        }
        answer.ok_or_else(|| Violation::new("dead_letters_whole", "a request that can't be read"))
    }

    /// A letter carries its original, unless that was too large: then its value, or key and value, are left out.
    fn is_whole(&self, letter: &Letter) -> Checked {
        let (partition, offset) = letter.original;
        let partition_log = self.log.partitions.get(partition as usize);
        let Some(original) = partition_log.and_then(|log| log.get(offset)) else {
            return Err(Violation::new("dead_letters_exact", format!("{partition}/{offset} does not exist")));
        };
        let too_large = original.size_bytes() + 1_500 > self.plan.request_bytes_max;
        let whole = letter.key == original.key && letter.value == original.value;
        if letter.partition == partition as i32 && (whole || (too_large && letter.value.is_none())) {
            return Ok(());
        }
        let detail = format!("the letter of {partition}/{offset} has another partition, key or value");
        Err(Violation::new("dead_letters_whole", detail))
    }
}
