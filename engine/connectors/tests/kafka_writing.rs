//! Writing to the real cluster: in order, every record judged by itself, dead letters never lost for their size.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod kafka_cluster;

use std::time::{Duration, Instant};

use kafka_cluster::{PATIENCE, TestWorker, block_on, create_topic, settings, unique};
use thalweg_connectors::kafka::dead_letter::DeadLetters;
use thalweg_connectors::kafka::produce::Produce;
use thalweg_connectors::kafka::producer::KafkaProducer;
use thalweg_connectors::kafka::sink::KafkaSink;
use thalweg_core::dead_letter::{DeadLetter, DeadLetterSink};
use thalweg_core::failure::{Reason, Verdict};
use thalweg_core::flight::Flight;
use thalweg_core::headers::{Headers, encode_headers};
use thalweg_core::position::{Epoch, PartitionId, Position};
use thalweg_core::record::Record;
use thalweg_core::sink::{Domain, LaneId, Next, Sink, SinkMachine};

const RECORD_BYTES_MAX: u32 = 1_048_588;

fn producer() -> KafkaProducer {
    KafkaProducer::connect(&settings("unused"), RECORD_BYTES_MAX).unwrap()
}

fn flight_of(effects: &[(Domain, Vec<u8>)]) -> Flight {
    Flight::of_effects(effects.iter().zip(0..).map(|((domain, bytes), offset)| (offset, *domain, &bytes[..])))
}

/// What a lane does with one flight.
async fn fly(sink: &mut impl SinkMachine, producer: &KafkaProducer, flight: &mut Flight) -> usize {
    let (mut next, mut requests) = (sink.begin(LaneId(0), flight), 0);
    while let Next::Send(request) = next {
        requests += 1;
        let reply = producer.send(request).await;
        next = sink.resume(LaneId(0), flight, reply);
    }
    assert!(matches!(next, Next::Settled), "{next:?}");
    requests
}

fn headers_of(pairs: &[(&[u8], Option<&[u8]>)]) -> Vec<u8> {
    let mut headers = Vec::new();
    encode_headers(pairs.iter().copied(), &mut headers);
    headers
}

fn effect(record: Produce<'_>) -> (Domain, Vec<u8>) {
    let mut bytes = Vec::new();
    let domain = KafkaSink::encode(record, &mut bytes);
    (domain, bytes)
}

/// Offset, key, value and encoded headers.
type Found = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<u8>);

fn read(topic: &str, records: u64) -> Vec<Found> {
    let mut worker = TestWorker::join(&settings(&unique("read-back")), topic);
    let (begun, mut found) = (Instant::now(), Vec::new());
    while (found.len() as u64) < records {
        assert!(begun.elapsed() < PATIENCE, "{} of {records}: {:?}", found.len(), worker.events);
        worker.turn(&mut |batch| {
            found.extend((0..batch.len()).map(|index| {
                let record = batch.record(index);
                (
                    record.position.offset,
                    record.key.map(<[u8]>::to_vec),
                    record.value.map(<[u8]>::to_vec),
                    record.headers.as_bytes().to_vec(),
                )
            }));
        });
    }
    assert!(worker.source.close(true).wait(PATIENCE));
    found
}

#[test]
fn records_arrive_in_order_and_unchanged() {
    let topic = unique("written");
    create_topic(&topic, 1, &[]);
    let odd = headers_of(&[(b"null", None), (b"empty", Some(b"")), (&[0xFF, 0xFE], Some(&[0, 1]))]);
    let odder = headers_of(&[(b"with\0nul", Some(b"value"))]);
    let texts: Vec<_> = (0..1_000).map(|index: u32| index.to_string()).collect();
    let effects: Vec<_> = texts
        .iter()
        .zip(0..)
        .map(|(text, index)| {
            effect(Produce {
                topic: &topic,
                partition: Some(0),
                key: (index % 3 != 0).then_some(if index % 3 == 1 { b"" } else { text.as_bytes() }),
                value: (index % 4 != 0).then_some(if index % 4 == 1 { b"" } else { text.as_bytes() }),
                headers: match index % 4 {
                    0 => Headers::new(&odd),
                    2 => Headers::new(&odder),
                    _ => Headers::default(),
                },
            })
        })
        .collect();
    let producer = producer();
    let mut flight = flight_of(&effects);
    assert_eq!(block_on(fly(&mut KafkaSink, &producer, &mut flight)), 1);
    assert!(
        flight.verdicts().iter().all(|verdict| *verdict == Some(Verdict::Done)),
        "{:?}",
        flight.verdicts()
    );
    for ((_, bytes), (offset, key, value, headers)) in effects.iter().zip(read(&topic, 1_000)) {
        let written = Produce::decode(&mut bytes.as_slice()).unwrap();
        assert_eq!(written.key, key.as_deref(), "offset {offset}");
        assert_eq!(written.value, value.as_deref(), "offset {offset}");
        let (written, found) = (written.headers, Headers::new(&headers));
        assert!(written.iter().eq(found.iter()), "offset {offset}: {written:?} {found:?}");
    }
}

/// Bytes that no compression makes smaller.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn letter(sink: &DeadLetters, key: &[u8], value: &[u8], headers: &[u8], offset: i64) -> (Domain, Vec<u8>) {
    let record = Record {
        position: Position { partition: PartitionId(0), epoch: Epoch(0), offset },
        timestamp_ms: 7,
        key: Some(key),
        value: Some(value),
        headers: Headers::new(headers),
    };
    let letter = DeadLetter {
        record: &record,
        topic: "origin",
        partition_number: 1,
        flow: "flow",
        stage: "stage",
        reason: &Reason::new("undecodable", "no JSON"),
        attempts: 0,
        first_failure_ms: 1,
        last_failure_ms: 2,
    };
    let mut bytes = Vec::new();
    let domain = sink.encode(&letter, &mut bytes);
    (domain, bytes)
}

#[test]
fn a_dead_letter_that_is_too_large_arrives_smaller() {
    let topic = unique("letters");
    create_topic(&topic, 2, &[("max.message.bytes", "20000")]);
    let mut sink = DeadLetters::new(topic.as_str());
    let big_headers = headers_of(&[(b"big", Some(&noise(30_000)))]);
    let letters = [
        letter(&sink, b"fits", b"value", &[], 10),
        letter(&sink, b"large", &noise(50_000), &headers_of(&[(b"trace", Some(b"1"))]), 11),
        letter(&sink, b"larger", b"value", &big_headers, 12),
        letter(&sink, b"huge", &noise(1_500_000), &[], 13),
    ];
    let producer = producer();
    let mut flight = flight_of(&letters);
    block_on(fly(&mut sink, &producer, &mut flight));
    assert!(
        flight.verdicts().iter().all(|verdict| *verdict == Some(Verdict::Done)),
        "{:?}",
        flight.verdicts()
    );

    let found = read(&topic, 4);
    let by_offset = |offset: &str| {
        let matches =
            |headers: &[u8]| Headers::new(headers).get("dlq.original.offset") == Some(offset.as_bytes());
        found.iter().find(|(_, _, _, headers)| matches(headers)).unwrap()
    };
    let header = |found: &Found, name: &str| {
        Headers::new(&found.3).get(name).map(|value| String::from_utf8_lossy(value).into_owned())
    };
    assert_eq!(by_offset("10").2.as_deref(), Some(b"value".as_slice()));
    let large = by_offset("11");
    assert_eq!((large.1.as_deref(), &large.2), (Some(b"large".as_slice()), &None));
    assert_eq!(header(large, "dlq.value.length").as_deref(), Some("50000"));
    assert_eq!(header(large, "trace").as_deref(), Some("1"));
    assert_eq!(header(large, "dlq.reason").as_deref(), Some("undecodable"));
    let larger = by_offset("12");
    assert_eq!((&larger.1, &larger.2, header(larger, "big")), (&None, &None, None));
    assert_eq!(header(larger, "dlq.key.length").as_deref(), Some("6"));
    assert_eq!(
        header(by_offset("13"), "dlq.value.length").as_deref(),
        Some("1500000"),
        "refused by the client itself"
    );
}

#[test]
fn a_topic_or_partition_that_is_not_there_is_refused_and_taken_once_it_is() {
    let topic = unique("missing");
    let record = |partition| {
        effect(Produce {
            topic: &topic,
            partition: Some(partition),
            key: None,
            value: Some(b"v"),
            headers: Headers::default(),
        })
    };
    let producer = producer();
    let verdict = |partition| {
        let begun = Instant::now();
        let mut flight = flight_of(&[record(partition)]);
        block_on(fly(&mut KafkaSink, &producer, &mut flight));
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
        flight.verdicts()[0].clone().unwrap()
    };
    let refused = verdict(0);
    assert!(
        matches!(&refused, Verdict::SinkDown(reason) if reason.class == "topic_unavailable"),
        "{refused:?}"
    );
    create_topic(&topic, 1, &[]);
    let begun = Instant::now();
    while verdict(0) != Verdict::Done {
        assert!(begun.elapsed() < PATIENCE);
    }
    let refused = verdict(5);
    assert!(matches!(&refused, Verdict::SinkDown(_)), "{refused:?}");
    assert_eq!(read(&topic, 1).len(), 1);
}

#[test]
fn while_no_broker_answers_nothing_is_given_up() {
    let mut settings = settings("unused");
    settings.brokers = "127.0.0.1:1".to_owned();
    let producer = KafkaProducer::connect(&settings, RECORD_BYTES_MAX).unwrap();
    let record =
        Produce { topic: "any", partition: None, key: None, value: Some(b"v"), headers: Headers::default() };
    let mut flight = flight_of(&[effect(record)]);
    let mut sink = KafkaSink;
    block_on(async {
        let flying = fly(&mut sink, &producer, &mut flight);
        // Longer than an unknown topic takes to be refused.
        assert!(tokio::time::timeout(Duration::from_secs(8), flying).await.is_err(), "it waits");
    });
}
