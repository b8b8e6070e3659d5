//! The engine's parts one by one, per record: tracker, dedupe, headers, commit metadata, a record's way through a lane.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a bench may end with a panic")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use thalweg_connectors::kafka::dead_letter::DeadLetters;
use thalweg_core::SinkSettings;
use thalweg_core::batch::Batch;
use thalweg_core::commit_metadata;
use thalweg_core::dedupe::{Dedupe, EventId};
use thalweg_core::failure::Verdict;
use thalweg_core::flight::Flight;
use thalweg_core::headers::{Headers, encode_headers};
use thalweg_core::operator::{Output, Step};
use thalweg_core::outcome::Outcome;
use thalweg_core::position::{Epoch, PartitionId};
use thalweg_core::record::Record;
use thalweg_core::sabotage::Sound;
use thalweg_core::sink::{Domain, LaneId, Next, Reply, Request, Sink, SinkHandle, SinkMachine, settle_rest};
use thalweg_core::time::Now;
use thalweg_core::tracker::OffsetTracker;
use thalweg_core::worker::{Command, NamedSink, PartitionName, Positions, Worker, WorkerSettings};

const RECORDS: u64 = 1_000;

fn tracker(c: &mut Criterion) {
    let mut group = c.benchmark_group("tracker");
    group.throughput(Throughput::Elements(RECORDS));
    for (name, youngest_first) in [("open and close in order", false), ("close youngest first", true)] {
        let (mut tracker, mut offset) = (OffsetTracker::new(PartitionId(0), Epoch(0), 0), 0);
        let mut open = Vec::new();
        group.bench_function(name, |b| {
            b.iter(|| {
                for _ in 0..RECORDS {
                    open.push(tracker.open(offset, offset, 500));
                    offset += 1;
                }
                if youngest_first {
                    open.reverse();
                }
                for pending in open.drain(..) {
                    black_box(tracker.close(pending, Outcome::Delivered));
                }
            });
        });
        assert_eq!(tracker.commit_position(), offset);
    }
}

fn dedupe(c: &mut Criterion) {
    let mut group = c.benchmark_group("dedupe");
    group.throughput(Throughput::Elements(RECORDS));
    let (mut dedupe, mut offset) = (Dedupe::new(100_000), 0i64);
    group.bench_function("window of 100,000, full, ids are new", |b| {
        b.iter(|| {
            for _ in 0..RECORDS {
                let id = offset.wrapping_mul(0x5851_F42D_4C95_7F2D).to_le_bytes();
                assert!(!dedupe.sees(EventId { id: &id, replay_count: None }, offset));
                offset += 1;
            }
        });
    });
}

fn three_headers() -> Vec<u8> {
    let pairs: [(&[u8], Option<&[u8]>); 3] = [
        (b"correlation-id", Some(b"0123456789abcdef0123456789abcdef")),
        (b"message-id", Some(b"fedcba9876543210fedcba9876543210")),
        (b"timestamp", Some(b"2023-08-15T10:30:00.125Z")),
    ];
    let mut bytes = Vec::new();
    encode_headers(pairs.into_iter(), &mut bytes);
    bytes
}

fn headers(c: &mut Criterion) {
    let bytes = three_headers();
    assert_eq!(Headers::new(&bytes).get("message-id").map(<[u8]>::len), Some(32));
    c.bench_function("headers/one of three by name", |b| {
        b.iter(|| black_box(Headers::new(black_box(&bytes)).get("message-id")));
    });
}

fn metadata(c: &mut Criterion) {
    let mut group = c.benchmark_group("commit metadata");
    // Every lane is at another place: finished stretches alternate with open ones.
    let finished: Vec<_> = (0..500i64).map(|n| 1_000 + n * 40..1_000 + n * 40 + 25).collect();
    let encoded = commit_metadata::encode(990, finished.iter().cloned());
    assert_eq!(commit_metadata::decode(990, &encoded).unwrap(), finished);
    group.bench_function("encode 500 stretches", |b| {
        b.iter(|| commit_metadata::encode(990, finished.iter().cloned()));
    });
    group.bench_function("decode 500 stretches", |b| b.iter(|| commit_metadata::decode(990, &encoded)));
}

/// Takes everything; what it sends is empty.
struct Swallow;

impl SinkMachine for Swallow {
    fn begin(&mut self, _lane: LaneId, _flight: &mut Flight) -> Next {
        Next::Send(Request { operation: 0, body: Vec::new() })
    }

    fn resume(&mut self, _lane: LaneId, flight: &mut Flight, _reply: Reply) -> Next {
        settle_rest(flight, &Verdict::Done);
        Next::Settled
    }
}

impl Sink for Swallow {
    type Effect<'e> = &'e [u8];

    fn encode(effect: &[u8], into: &mut Vec<u8>) -> Domain {
        into.extend_from_slice(effect);
        Domain(u64::from_le_bytes(*effect.first_chunk().unwrap_or(&[0; 8])))
    }
}

const NOW: Now = Now { uptime_ms: 1, unix_ms: 1 };

fn worker() -> Worker<impl FnMut(&Record<'_>, &mut Output<'_>) -> Step> {
    let sink = SinkHandle::<Swallow>::new(0);
    let operator = move |record: &Record<'_>, out: &mut Output<'_>| {
        out.send(sink, record.value.unwrap_or_default());
        Step::Done
    };
    let sinks =
        vec![NamedSink { name: "swallow", machine: Box::new(Swallow), settings: SinkSettings::default() }];
    let letters = (Box::new(DeadLetters::new("letters")) as _, SinkSettings::default());
    let mut worker = Worker::new(WorkerSettings::default(), operator, sinks, letters, 0, Sound);
    worker.assigned(vec![(PartitionId(0), PartitionName { topic: "t".into(), number: 0 })], NOW);
    let positions = Positions { partition: PartitionId(0), committed: None, low: 0, high: i64::MAX };
    let Some(Command::FetchPositions { fetch, .. }) = worker.poll() else {
        panic!("positions are asked for")
    };
    worker.positioned(fetch, vec![positions], NOW);
    worker
}

/// Records from the offset on, in a batch that is used again.
fn fill(batch: &mut Batch, epoch: Epoch, first: i64, headers: &[u8]) {
    batch.reset(PartitionId(0), epoch);
    let mut value = [b'x'; 300];
    for offset in first..first + RECORDS.cast_signed() {
        value[..8].copy_from_slice(&offset.to_le_bytes());
        let key = offset.wrapping_mul(0x5851_F42D_4C95_7F2D).to_le_bytes();
        batch.push(offset, 0, Some(&key), Some(&value), headers);
    }
}

fn record_through_a_lane(c: &mut Criterion) {
    let mut group = c.benchmark_group("worker");
    group.throughput(Throughput::Elements(RECORDS));
    let mut worker = worker();
    let mut epoch = None;
    while let Some(command) = worker.poll() {
        if let Command::Read(reads) = command {
            epoch = reads.first().map(|read| read.epoch);
        }
    }
    let (epoch, headers, mut first) = (epoch.unwrap(), three_headers(), 0);
    group.bench_function("batch, operator, lane, flight, close", |b| {
        b.iter_batched(
            || {
                let mut batch = Batch::new(PartitionId(0), epoch);
                fill(&mut batch, epoch, first, &headers);
                first += RECORDS.cast_signed();
                batch
            },
            |batch| {
                worker.batch(batch, NOW);
                while let Some(command) = worker.poll() {
                    if let Command::Send { sink, lane, .. } = command {
                        worker.replied(sink, lane, Reply::Answer { status: 200, body: Vec::new() }, NOW);
                    }
                }
            },
            BatchSize::PerIteration,
        );
    });
    assert_eq!(worker.accounts().of(Outcome::Delivered), worker.accounts().read);
}

criterion_group!(all, tracker, dedupe, headers, metadata, record_through_a_lane);
criterion_main!(all);
