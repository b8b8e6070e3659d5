//! Lanes against the promise: whatever the sink answers, the effects of one key take hold in log order, each once,
//! and everything ends once the sink is well.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::failure::{Reason, RequestFailure, Verdict};
use crate::flight::Flight;
use crate::measured::Measured;
use crate::pacing::PacingSettings;
use crate::sabotage::Sound;
use crate::sink::FollowUp;
use crate::tracker::OffsetTracker;

const PARTITION: PartitionId = PartitionId(0);
const EPOCH: Epoch = Epoch(0);

/// A sink whose answers the test dictates: the reply's body holds one byte an effect. Its requests' operation says
/// for how many ms effects have been ours that another may have sent before; 99: there are none.
struct Dictated;

/// How long an effect is left alone that the sink is told so of.
const SETTLE_MS: u64 = 90_000;

impl SinkMachine for Dictated {
    fn begin(&mut self, _lane: LaneId, flight: &mut Flight) -> Next {
        let body = (0..flight.len()).flat_map(|index| flight.position(index).offset.to_le_bytes()).collect();
        Next::Send(Request { operation: flight.ours_for_ms().map_or(99, |ms| ms as u8), body })
    }

    fn asks_for_others(&self) -> bool {
        true
    }

    fn resume(&mut self, _lane: LaneId, flight: &mut Flight, reply: Reply) -> Next {
        let reason = || Reason::new("dictated", "by the test");
        let Reply::Answer { status, body } = reply else {
            return Next::Failed(RequestFailure::Unknown(reason()));
        };
        match status {
            429 => return Next::Failed(RequestFailure::Overloaded),
            413 => return Next::Failed(RequestFailure::Refused(reason())),
            503 => return Next::Failed(RequestFailure::SinkDown(reason())),
            _ => {}
        }
        for (index, code) in body.into_iter().enumerate() {
            let verdict = match code {
                0 => Verdict::Done,
                1 => Verdict::Overloaded,
                2 => Verdict::SinkDown(reason()),
                3 => Verdict::Unclear(reason()),
                5 => Verdict::Answered(FollowUp { sink: 1, domain: flight.domain(index), bytes: [].into() }),
                6 => Verdict::Unsettled { reason: reason(), after_ms: SETTLE_MS },
                7 => Verdict::NotYet { reason: reason(), after_ms: SETTLE_MS },
                _ => Verdict::Refused(reason()),
            };
            flight.settle(index, verdict);
        }
        Next::Settled
    }
}

/// What the sink answers to the next request.
#[derive(Debug, Clone)]
enum Answer {
    Items(Vec<u8>),
    Whole(u16),
}

fn answers() -> impl Strategy<Value = Vec<Answer>> {
    let item =
        prop_oneof![8 => Just(0u8), 1 => Just(1), 1 => Just(2), 1 => Just(3), 1 => Just(4), 2 => Just(5)];
    let one = prop_oneof![
        5 => prop::collection::vec(item, 20).prop_map(Answer::Items),
        1 => Just(Answer::Whole(429)),
        1 => Just(Answer::Whole(413)),
        1 => Just(Answer::Whole(503)),
    ];
    prop::collection::vec(one, 0..60)
}

struct Bench {
    lanes: SinkLanes<Sound, Dictated>,
    tracker: OffsetTracker,
    rng: fastrand::Rng,
    now: Now,
    keys: BTreeMap<i64, u64>,
    /// Offsets by key in the order in which they took hold (or were dead-lettered).
    ended: BTreeMap<u64, Vec<i64>>,
    out: Vec<Departure>,
    letters: Vec<(Pending, u64)>,
    measured: Measured,
}

impl Bench {
    fn new() -> Self {
        let pacing = PacingSettings { flights_max: 2, items_max: 5, bytes_max: 64 };
        let settings = SinkSettings { lanes: 2, pacing, attempts_max: None, ..SinkSettings::default() };
        let mut lanes = SinkLanes::new(Box::new(Dictated), settings, false, Sound);
        lanes.epoch_began(PARTITION, Began { epoch: EPOCH, log_end: 0, at_ms: 0 });
        let now = Now { uptime_ms: 0, unix_ms: 0 };
        let rng = fastrand::Rng::with_seed(1);
        let tracker = OffsetTracker::new(PARTITION, EPOCH, 0);
        let (keys, ended, out, letters, measured) = Default::default();
        Self { lanes, tracker, rng, now, keys, ended, out, letters, measured }
    }

    fn enqueue(&mut self, offset: i64, key: u64, document: u64) {
        let key_hash = key << 32;
        self.keys.insert(offset, key_hash);
        let pending = self.tracker.open(offset, -1, 0);
        let domain = Domain(key * 10 + document);
        self.lanes.enqueue(pending, key_hash, domain, &offset.to_le_bytes(), self.now);
    }

    fn pump(&mut self) {
        let (mut events, measured) = (Vec::new(), &mut self.measured);
        self.lanes.pump(&mut Turn::new(self.now, &mut self.rng, &mut self.out, &mut events, measured));
        self.digest(events);
    }

    fn answer(&mut self, departure: &Departure, answer: &Answer) {
        let offsets = departure.request.body.len() / 8;
        let reply = match answer {
            Answer::Items(codes) => Reply::Answer { status: 200, body: codes[..offsets].to_vec() },
            Answer::Whole(status) => Reply::Answer { status: *status, body: Vec::new() },
        };
        let (mut events, lane) = (Vec::new(), departure.lane);
        let measured = &mut self.measured;
        let mut turn = Turn::new(self.now, &mut self.rng, &mut self.out, &mut events, measured);
        self.lanes.replied(lane, reply, &mut turn);
        self.digest(events);
    }

    fn digest(&mut self, events: Vec<LaneEvent>) {
        // Within one landing they are told in no order that matters.
        let mut batch = Vec::new();
        for event in events {
            match event {
                LaneEvent::Closed { pending, .. } | LaneEvent::Followed { pending, .. } => {
                    batch.push((pending.position().offset, None, Some(pending)))
                }
                LaneEvent::Refused { pending, key_hash, .. } => {
                    batch.push((pending.position().offset, Some((pending, key_hash)), None));
                }
                LaneEvent::Waits(_) | LaneEvent::Congested { .. } => {}
            }
        }
        batch.sort_by_key(|(offset, ..)| *offset);
        for (offset, refused, closed) in batch {
            if let Some(pending) = closed {
                self.ended.entry(self.keys[&offset]).or_default().push(offset);
                let _ = self.tracker.close(pending, crate::outcome::Outcome::Delivered);
            }
            self.letters.extend(refused);
        }
    }

    fn acknowledge_letter(&mut self) {
        let Some((pending, key_hash)) = self.letters.pop() else { return };
        let offset = pending.position().offset;
        self.ended.entry(key_hash).or_default().push(offset);
        let _ = self.tracker.close(pending, crate::outcome::Outcome::DeadLettered);
        let (mut events, lane) = (Vec::new(), self.lanes.lane_of(key_hash));
        self.lanes.dead_letter_ended(lane, key_hash, &mut events);
        self.digest(events);
    }
}

#[test]
fn lanes_are_saturated_when_each_has_its_next_flight_waiting() {
    let mut bench = Bench::new();
    assert!(!bench.lanes.is_saturated(), "nothing waits");
    // A flight takes five; the key names the lane.
    (0..4).for_each(|offset| bench.enqueue(offset, 0, offset as u64));
    (4..9).for_each(|offset| bench.enqueue(offset, 1, offset as u64));
    assert!(!bench.lanes.is_saturated(), "lane 0 has room for one, however full lane 1 is");
    bench.enqueue(9, 0, 9);
    assert!(bench.lanes.is_saturated());
    bench.pump();
    assert!(!bench.lanes.is_saturated(), "what is in the air does not wait");
    for departure in std::mem::take(&mut bench.out) {
        bench.answer(&departure, &Answer::Items(vec![0; 5]));
    }
    assert_eq!(bench.tracker.open_records(), 0);
}

#[test]
fn who_meets_its_document_in_a_flight_goes_with_the_next_and_its_key_goes_on() {
    let mut bench = Bench::new();
    for (offset, document) in [(0, 1), (1, 1), (2, 2), (3, 1)] {
        bench.enqueue(offset, 0, document);
    }
    for expected in [&[0, 2][..], &[1], &[3]] {
        bench.pump();
        let departure = bench.out.remove(0);
        let offsets = departure.request.body.chunks_exact(8);
        let offsets: Vec<_> = offsets.map(|offset| i64::from_le_bytes(offset.try_into().unwrap())).collect();
        assert_eq!(offsets, expected);
        bench.answer(&departure, &Answer::Items(vec![0; 5]));
    }
    assert_eq!(bench.tracker.open_records(), 0);
}

#[test]
fn retries_of_two_keys_that_touch_the_same_thing_do_not_wait_for_themselves() {
    let mut bench = Bench::new();
    // Both of lane 0 and of domain 20, as bad input can make it.
    bench.enqueue(0, 0, 20);
    bench.enqueue(1, 2, 0);
    for code in [1, 1, 0, 0] {
        bench.pump();
        let departure = bench.out.remove(0);
        assert!(bench.out.is_empty() && departure.request.body.len() == 8, "one at a time");
        bench.answer(&departure, &Answer::Items(vec![code]));
        // Late enough for both when the second has failed as well.
        bench.now.uptime_ms += if code == 1 && bench.lanes.status().parked_keys == 2 { 600_000 } else { 0 };
    }
    assert_eq!(bench.tracker.open_records(), 0);
}

#[test]
fn what_another_may_have_sent_is_known_by_the_log_s_end_and_by_when_that_other_has_noticed() {
    for (offset, queued_ms, expected) in
        [(4, 0, 7), (4, 5_000, 7), (5, 0, 7), (5, 4_999, 7), (5, 5_000, 99), (5, 5_007, 99)]
    {
        let mut bench = Bench::new();
        bench.lanes.epoch_began(PARTITION, Began { epoch: EPOCH, log_end: 5, at_ms: 100 });
        bench.now.uptime_ms = 100 + queued_ms;
        bench.enqueue(offset, 0, 0);
        bench.now.uptime_ms = 100 + UNNOTICED_MS + 7;
        bench.pump();
        let departure = bench.out.remove(0);
        assert_eq!(departure.request.operation, expected, "{offset} at {queued_ms} ms");
        bench.answer(&departure, &Answer::Items(vec![0]));
        assert_eq!(bench.tracker.open_records(), 0);
    }
}

#[test]
fn what_is_not_settled_is_left_alone_until_it_is() {
    for code in [6, 7] {
        let mut bench = Bench::new();
        bench.enqueue(0, 0, 0);
        bench.pump();
        let departure = bench.out.remove(0);
        bench.answer(&departure, &Answer::Items(vec![code]));
        for (passed_ms, goes) in [(SETTLE_MS - 1, false), (1, true)] {
            bench.now.uptime_ms += passed_ms;
            bench.pump();
            assert_eq!(!bench.out.is_empty(), goes, "{code}");
        }
        let departure = bench.out.remove(0);
        bench.answer(&departure, &Answer::Items(vec![0]));
        assert_eq!(bench.tracker.open_records(), 0);
    }
}

#[test]
fn refusals_and_follow_ups_of_one_flight_are_told_in_the_order_of_the_log() {
    for code in [4, 5] {
        told_in_order(code);
    }
}

fn told_in_order(code: u8) {
    let mut bench = Bench::new();
    (0..3).for_each(|offset| bench.enqueue(offset, 1, offset as u64));
    bench.pump();
    let departure = bench.out.remove(0);
    let reply = Reply::Answer { status: 200, body: vec![code; 3] };
    let mut events = Vec::new();
    let mut turn = Turn::new(bench.now, &mut bench.rng, &mut bench.out, &mut events, &mut bench.measured);
    bench.lanes.replied(departure.lane, reply, &mut turn);
    let mut told = Vec::new();
    for event in events {
        if let LaneEvent::Refused { pending, .. } | LaneEvent::Followed { pending, .. } = event {
            told.push(pending.position().offset);
            pending.abandon();
        }
    }
    assert_eq!(told, [0, 1, 2], "their dead letters, or what follows from them, are queued in that order");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn a_document_s_effects_end_in_log_order_and_all_end(
        effects in prop::collection::vec((0u64..3, 0u64..2), 1..60),
        answers in answers(),
    ) {
        let mut bench = Bench::new();
        let documents: Vec<u64> = effects.iter().map(|(key, document)| key * 10 + document).collect();
        for (offset, (key, document)) in effects.iter().enumerate() {
            bench.enqueue(offset as i64, *key, *document);
        }
        let mut answers = answers.into_iter();
        let well = Answer::Items(vec![0; 20]);
        for round in 0..10_000 {
            bench.pump();
            let Some(departure) = (!bench.out.is_empty()).then(|| bench.out.remove(0)) else {
                if bench.letters.is_empty() && bench.lanes.status().effects == 0 {
                    break;
                }
                bench.acknowledge_letter();
                bench.now.uptime_ms += 50;
                continue;
            };
            let answer = answers.next().unwrap_or_else(|| well.clone());
            bench.answer(&departure, &answer);
            if round % 3 == 0 {
                bench.acknowledge_letter();
            }
        }
        prop_assert_eq!(bench.tracker.open_records(), 0, "everything ends once the sink is well");
        let ended = bench.ended.values().flatten().copied();
        let mut of_document: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
        for offset in ended {
            of_document.entry(documents[offset as usize]).or_default().push(offset);
        }
        prop_assert_eq!(of_document.values().map(Vec::len).sum::<usize>(), effects.len(), "each ends once");
        for (document, offsets) in of_document {
            prop_assert!(offsets.is_sorted(), "document {} ended as {:?}", document, offsets);
        }
    }
}
