//! Message search's parts one by one: events decoded, and flights of documents framed and judged.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(clippy::unwrap_used, reason = "a bench may end with a panic")]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use message_search::event::{self, Event};
use thalweg_connectors::elasticsearch::{Document, DocumentId, DocumentOptions, DocumentSink, Field};
use thalweg_core::failure::Verdict;
use thalweg_core::flight::Flight;
use thalweg_core::sink::{LaneId, Next, Reply, Sink, SinkMachine};

const CREATED: &str = r#"{"type":"message.created","payload":{"id":"3f2a9c1e-0001","conversationId":"c-00012345","senderId":"u-000777","content":"Thanks, the order was shipped on Monday;\nplease confirm the delivery \u00e9t\u00e9.","tenantId":"t-7","timestamp":"2023-08-15T10:30:00Z","metadata":{"priority":"high","tags":["a","b"],"replyTo":null,"attempt":3}}}"#;
const UPDATED: &str = r#"{"type":"message.updated","payload":{"id":"3f2a9c1e-0001","content":"Thanks, shipped on Monday.","tenantId":"t-7","metadata":{"edited":true}}}"#;
const DELETED: &str = r#"{"type":"message.deleted","payload":{"id":"3f2a9c1e-0001","tenantId":"t-7"}}"#;

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    for (name, value) in [("created", CREATED), ("updated", UPDATED), ("deleted", DELETED)] {
        assert!(matches!(
            (name, event::decode(value.as_bytes()).unwrap()),
            ("created", Event::Created { .. })
                | ("updated", Event::Updated { .. })
                | ("deleted", Event::Deleted { .. })
        ));
        group.throughput(Throughput::Bytes(value.len() as u64));
        group.bench_function(name, |b| b.iter(|| black_box(event::decode(black_box(value.as_bytes())))));
    }
}

const FLIGHT: i64 = 1_000;

fn flight(first: i64) -> Flight {
    let mut effects = Vec::new();
    for offset in first..first + FLIGHT {
        let id = format!("message-{offset:08}");
        let text = r#""Thanks, the order was shipped on Monday; please confirm the delivery.""#;
        let fields = [
            Field { name: "id", json: "\"some id\"", merge: false },
            Field { name: "content", json: text, merge: false },
            Field { name: "metadata", json: r#"{"priority":"high","attempt":3}"#, merge: true },
        ];
        let id = DocumentId::new("t-7", b"c-00012345", &id).unwrap();
        let mut bytes = Vec::new();
        let domain = <DocumentSink>::encode(Document::Put { id, fields: &fields }, &mut bytes);
        effects.push((offset, domain, bytes));
    }
    Flight::of_effects(effects.iter().map(|(offset, domain, bytes)| (*offset, *domain, bytes.as_slice())))
}

fn answer(first: i64) -> Vec<u8> {
    let mut text = String::from(r#"{"errors":false,"items":["#);
    for offset in first..first + FLIGHT {
        let comma = if offset > first { "," } else { "" };
        let _ =
            write!(text, r#"{comma}{{"index":{{"_id":"t-7/c-00012345/message-{offset:08}","status":201}}}}"#);
    }
    text.push_str("]}");
    text.into_bytes()
}

fn bulk(c: &mut Criterion) {
    let mut group = c.benchmark_group("bulk");
    group.throughput(Throughput::Elements(FLIGHT.unsigned_abs()));
    let mut sink = DocumentSink::new(DocumentOptions::default());
    let mut first = 0;
    let mut next = move || {
        first += FLIGHT;
        (flight(first), Reply::Answer { status: 200, body: answer(first) })
    };
    group.bench_function("frame and judge", |b| {
        b.iter_batched(
            &mut next,
            |(mut flight, reply)| {
                assert!(matches!(sink.begin(LaneId(0), &mut flight), Next::Send(_)));
                assert!(matches!(sink.resume(LaneId(0), &mut flight, reply), Next::Settled));
                assert!(flight.verdicts().iter().all(|verdict| *verdict == Some(Verdict::Done)));
                flight
            },
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(all, decode, bulk);
criterion_main!(all);
