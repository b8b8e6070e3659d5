//! Which stage a record's time is counted in: every stage takes another time here, so one counted for another shows.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends at the first surprise")]

use hdrhistogram::Histogram;
use thalweg_core::SinkSettings;
use thalweg_core::batch::Batch;
use thalweg_core::dead_letter::{DeadLetter, DeadLetterSink};
use thalweg_core::failure::{Reason, Verdict};
use thalweg_core::flight::Flight;
use thalweg_core::operator::{Output, Step};
use thalweg_core::pacing::PacingSettings;
use thalweg_core::position::{Epoch, PartitionId};
use thalweg_core::record::Record;
use thalweg_core::sabotage::Sound;
use thalweg_core::sink::{Domain, LaneId, Next, Reply, Request, Sink, SinkHandle, SinkMachine, settle_rest};
use thalweg_core::time::Now;
use thalweg_core::worker::{
    Command, DedupeSettings, NamedSink, PartitionName, Positions, SinkIndex, Worker, WorkerSettings,
};

/// Wall clock at uptime 0.
const BEGIN_MS: i64 = 1_700_000_000_000;

fn at(uptime_ms: u64) -> Now {
    Now { uptime_ms, unix_ms: BEGIN_MS + uptime_ms.cast_signed() }
}

/// Answers every effect of a flight as the status of the reply says.
struct Dictated;

impl SinkMachine for Dictated {
    fn begin(&mut self, _lane: LaneId, _flight: &mut Flight) -> Next {
        Next::Send(Request { operation: 0, body: Vec::new() })
    }

    fn resume(&mut self, _lane: LaneId, flight: &mut Flight, reply: Reply) -> Next {
        let refused = matches!(reply, Reply::Answer { status: 429, .. });
        settle_rest(flight, if refused { &Verdict::Overloaded } else { &Verdict::Done });
        Next::Settled
    }
}

impl Sink for Dictated {
    type Effect<'e> = &'e [u8];

    fn encode(effect: &[u8], into: &mut Vec<u8>) -> Domain {
        into.extend_from_slice(effect);
        Domain(u64::from(effect[0]))
    }
}

impl DeadLetterSink for Dictated {
    fn encode(&self, letter: &DeadLetter<'_>, into: &mut Vec<u8>) -> Domain {
        into.extend_from_slice(letter.record.key.unwrap_or_default());
        Domain(0)
    }
}

type Operator = fn(&Record<'_>, &mut Output<'_>) -> Step;

/// Sends the key; a record without a value is rejected.
fn operator(record: &Record<'_>, out: &mut Output<'_>) -> Step {
    if record.value.is_none() {
        return Step::Rejected(Reason::new("no_value", "by the test"));
    }
    out.send(SinkHandle::<Dictated>::new(0), record.key.unwrap_or_default());
    Step::Done
}

struct Scene {
    worker: Worker<Operator>,
    epoch: Epoch,
    next_offset: i64,
}

impl Scene {
    /// A worker with one sink of one lane, whose partition begins at `committed`.
    fn new(committed: i64) -> Self {
        let pacing = PacingSettings { flights_max: 1, items_max: 10, bytes_max: 1_000 };
        let settings = SinkSettings { lanes: 1, pacing, ..SinkSettings::default() };
        let sinks = vec![NamedSink { name: "sink", machine: Box::new(Dictated), settings }];
        let dedupe = Some(DedupeSettings { header: "id".to_owned(), window: 100 });
        let flow = WorkerSettings { dedupe, ..WorkerSettings::default() };
        let letters = (Box::new(Dictated) as _, settings);
        let mut worker = Worker::new(flow, operator as Operator, sinks, letters, 0, Sound);
        let partition = PartitionId(0);
        worker.assigned(vec![(partition, PartitionName { topic: "t".into(), number: 0 })], at(1));
        let committed = Some((committed, String::new()));
        let Some(Command::FetchPositions { fetch, .. }) = worker.poll() else {
            panic!("positions are asked for")
        };
        worker.positioned(fetch, vec![Positions { partition, committed, low: 0, high: 1_000 }], at(1));
        let epoch = std::iter::from_fn(|| worker.poll()).find_map(|command| match command {
            Command::Read(starts) => starts.first().map(|start| start.epoch),
            _ => None,
        });
        Self { worker, epoch: epoch.unwrap(), next_offset: 0 }
    }

    /// A batch arrives, of records with these keys, produced at these uptimes; -1 is no timestamp.
    fn read(&mut self, records: &[(&str, i64)], now_ms: u64) {
        let mut batch = Batch::new(PartitionId(0), self.epoch);
        for (key, produced_ms) in records {
            let timestamp_ms = if *produced_ms < 0 { -1 } else { BEGIN_MS + produced_ms };
            let value = (*key != "bad").then_some(b"v".as_slice());
            batch.push(self.next_offset, timestamp_ms, Some(key.as_bytes()), value, &[]);
            self.next_offset += 1;
        }
        self.worker.batch(batch, at(now_ms));
    }

    /// The requests that left: of which sink.
    fn sent(&mut self) -> Vec<SinkIndex> {
        let commands = std::iter::from_fn(|| self.worker.poll());
        commands
            .filter_map(|command| match command {
                Command::Send { sink, .. } => Some(sink),
                _ => None,
            })
            .collect()
    }

    fn replied(&mut self, sink: u8, status: u16, now_ms: u64) {
        assert_eq!(self.sent(), [SinkIndex(sink)], "one request is out");
        let reply = Reply::Answer { status, body: Vec::new() };
        self.worker.replied(SinkIndex(sink), LaneId(0), reply, at(now_ms));
    }
}

/// Values and how often each was recorded.
fn values(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
    histogram
        .iter_recorded()
        .map(|step| (step.value_iterated_to(), step.count_since_last_iteration()))
        .collect()
}

#[test]
fn every_stage_has_its_own_time() {
    let mut scene = Scene::new(0);
    // Read 7 ms after the older of the two was produced; leaves at once; answered 23 ms later.
    scene.read(&[("a", 0), ("b", 3)], 7);
    // Queued at 10 behind that flight: waits 20 ms, and is answered 100 ms after it left.
    scene.read(&[("c", 9)], 10);
    scene.replied(0, 200, 30);
    scene.replied(0, 200, 130);
    let latencies = scene.worker.latencies();
    assert_eq!(values(&latencies.read_ms), [(1, 1), (7, 2)]);
    assert_eq!(values(&latencies.lane_wait_ms), [(0, 1), (20, 1)]);
    assert_eq!(values(&latencies.flight_ms), [(23, 1), (100, 1)]);
    assert_eq!(values(&latencies.end_to_end_ms), [(27, 1), (30, 1), (121, 1)]);
    assert!(latencies.dead_letter_ms.is_empty());
    assert_eq!(values(&scene.worker.sizes().batch_records), [(1, 1), (2, 1)]);
    assert_eq!(values(&scene.worker.sizes().flight_effects), [(1, 1), (2, 1)]);
}

#[test]
fn a_parked_effect_waits_for_its_backoff_and_not_for_the_lane() {
    let mut scene = Scene::new(0);
    scene.read(&[("a", 0)], 2);
    assert_eq!(scene.worker.sink_status().next().unwrap().1.parked_since_ms, None);
    scene.replied(0, 429, 12);
    let parked = scene.worker.sink_status().next().unwrap().1;
    assert_eq!((parked.parked_keys, parked.parked_since_ms), (1, Some(12)));
    // Refused again: it has been parked since the first time.
    let again_ms = scene.worker.wake_at_ms().unwrap();
    scene.worker.wake(at(again_ms));
    scene.replied(0, 429, again_ms + 6);
    assert_eq!(scene.worker.sink_status().next().unwrap().1.parked_since_ms, Some(12));
    let last_ms = scene.worker.wake_at_ms().unwrap();
    scene.worker.wake(at(last_ms));
    scene.replied(0, 200, last_ms + 4);
    assert_eq!(scene.worker.sink_status().next().unwrap().1.parked_since_ms, None);
    let latencies = scene.worker.latencies();
    assert_eq!(values(&latencies.lane_wait_ms), [(0, 1)]);
    assert_eq!(values(&latencies.flight_ms), [(4, 1), (6, 1), (10, 1)]);
    assert_eq!(latencies.end_to_end_ms.len(), 1);
}

#[test]
fn a_dead_letter_is_no_delivery_and_its_flight_is_not_measured() {
    let mut scene = Scene::new(0);
    scene.read(&[("bad", 0)], 5);
    scene.replied(1, 200, 45);
    let latencies = scene.worker.latencies();
    assert_eq!(values(&latencies.dead_letter_ms), [(45, 1)]);
    assert!(latencies.end_to_end_ms.is_empty() && latencies.flight_ms.is_empty());
    assert!(latencies.lane_wait_ms.is_empty());
}

#[test]
fn what_is_read_again_for_dedupe_or_has_no_timestamp_is_not_measured() {
    let mut scene = Scene::new(2);
    // The first two were finished before the restart; the third is new.
    scene.read(&[("a", 0), ("b", 1), ("c", 200)], 203);
    scene.replied(0, 200, 210);
    scene.read(&[("d", -1)], 220);
    scene.replied(0, 200, 230);
    let latencies = scene.worker.latencies();
    assert_eq!(values(&latencies.read_ms), [(3, 1)]);
    assert_eq!(values(&latencies.end_to_end_ms), [(10, 1)]);
}
