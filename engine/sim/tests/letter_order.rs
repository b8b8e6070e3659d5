//! Dead letters of one key reach their topic in the order in which they arose, also where one is too large for it.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends at the first surprise")]

use thalweg_connectors::kafka::answer::ItemAnswer;
use thalweg_connectors::kafka::dead_letter::DeadLetters;
use thalweg_connectors::kafka::produce::Produce;
use thalweg_core::SinkSettings;
use thalweg_core::batch::Batch;
use thalweg_core::failure::{Reason, Verdict};
use thalweg_core::flight::Flight;
use thalweg_core::operator::{Output, Step};
use thalweg_core::position::PartitionId;
use thalweg_core::record::Record;
use thalweg_core::sabotage::Sound;
use thalweg_core::sink::{Domain, LaneId, Next, Reply, Request, Sink, SinkHandle, SinkMachine, settle_rest};
use thalweg_core::time::Now;
use thalweg_core::worker::{Command, NamedSink, PartitionName, Positions, SinkIndex, Worker, WorkerSettings};

/// The topic takes no letter with a value above this.
const VALUE_BYTES_MAX: usize = 100;

const LETTERS: SinkIndex = SinkIndex(1);

/// A sink of documents that refuses each for what it is.
struct Refusing;

impl SinkMachine for Refusing {
    fn begin(&mut self, _lane: LaneId, _flight: &mut Flight) -> Next {
        Next::Send(Request { operation: 0, body: Vec::new() })
    }

    fn resume(&mut self, _lane: LaneId, flight: &mut Flight, _reply: Reply) -> Next {
        settle_rest(flight, &Verdict::Refused(Reason::new("refused", "by the test")));
        Next::Settled
    }
}

impl Sink for Refusing {
    /// A document's name.
    type Effect<'e> = i64;

    fn encode(document: i64, into: &mut Vec<u8>) -> Domain {
        into.push(0);
        Domain(document.cast_unsigned())
    }
}

type Operator = fn(&Record<'_>, &mut Output<'_>) -> Step;

/// Every record is another document.
fn operator(record: &Record<'_>, out: &mut Output<'_>) -> Step {
    out.send(SinkHandle::<Refusing>::new(0), record.position.offset);
    Step::Done
}

/// The topic's answers to a request; what it takes, it notes by the original's offset.
fn take(request: &Request, taken: &mut Vec<i64>) -> Reply {
    let (mut rest, mut body) = (request.body.as_slice(), Vec::new());
    while !rest.is_empty() {
        let letter = Produce::decode(&mut rest).unwrap();
        if letter.value.is_some_and(|value| value.len() > VALUE_BYTES_MAX) {
            ItemAnswer::TooLarge(String::new()).encode(&mut body);
            continue;
        }
        let offset = letter.headers.get("dlq.original.offset").unwrap();
        taken.push(std::str::from_utf8(offset).unwrap().parse().unwrap());
        ItemAnswer::Delivered.encode(&mut body);
    }
    Reply::Answer { status: 0, body }
}

/// Offsets of the letters of these records (keys and values, in one batch), in the order in which the topic took them.
fn letters_of(records: &[(&str, &[u8])]) -> Vec<i64> {
    const NOW: Now = Now { uptime_ms: 1, unix_ms: 1 };
    let settings = SinkSettings { lanes: 1, ..SinkSettings::default() };
    let sinks = vec![NamedSink { name: "documents", machine: Box::new(Refusing), settings }];
    let letters = (Box::new(DeadLetters::new("letters")) as _, settings);
    let mut worker = Worker::new(WorkerSettings::default(), operator as Operator, sinks, letters, 0, Sound);
    let partition = PartitionId(0);
    worker.assigned(vec![(partition, PartitionName { topic: "t".into(), number: 0 })], NOW);
    let mut taken = Vec::new();
    while let Some(command) = worker.poll() {
        match command {
            Command::FetchPositions { fetch, .. } => {
                worker.positioned(
                    fetch,
                    vec![Positions { partition, committed: None, low: 0, high: 9 }],
                    NOW,
                );
            }
            Command::Read(starts) => {
                let mut batch = Batch::new(partition, starts[0].epoch);
                for ((key, value), offset) in records.iter().zip(0..) {
                    batch.push(offset, -1, Some(key.as_bytes()), Some(value), &[]);
                }
                worker.batch(batch, NOW);
            }
            Command::Send { sink, lane, request } => {
                let answer = Reply::Answer { status: 200, body: Vec::new() };
                let reply = if sink == LETTERS { take(&request, &mut taken) } else { answer };
                worker.replied(sink, lane, reply, NOW);
            }
            Command::Commit(_) => {}
            command => panic!("unexpected: {command:?}"),
        }
    }
    assert_eq!(worker.accounts().open(), 0);
    taken
}

const LARGE: &[u8] = &[b'x'; VALUE_BYTES_MAX + 1];

#[test]
fn letters_of_one_key_stand_in_the_order_of_the_log() {
    assert_eq!(letters_of(&[("k", b"a"), ("k", b"b"), ("k", b"c")]), [0, 1, 2]);
}

#[test]
fn a_letter_that_goes_out_again_for_its_size_is_not_overtaken_by_its_key_s_next() {
    assert_eq!(letters_of(&[("k", LARGE), ("k", b"b"), ("k", LARGE), ("k", b"d")]), [0, 1, 2, 3]);
}

#[test]
fn letters_of_other_keys_do_not_wait_for_it() {
    assert_eq!(letters_of(&[("k", LARGE), ("other", b"b")]), [1, 0]);
}
