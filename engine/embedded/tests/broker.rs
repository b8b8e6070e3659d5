//! The real Kafka connector on the embedded broker: what a flow asks of a broker works here as on the real one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../connectors/tests/kafka_cluster/mod.rs"]
mod kafka_cluster;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kafka_cluster::{PATIENCE, TestWorker, block_on};
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use thalweg_connectors::kafka::event::{CommitOutcome, SourceEvent};
use thalweg_connectors::kafka::produce::Produce;
use thalweg_connectors::kafka::producer::KafkaProducer;
use thalweg_connectors::kafka::settings::{GroupProtocol, GroupSettings, KafkaSettings};
use thalweg_connectors::kafka::sink::KafkaSink;
use thalweg_connectors::kafka::topics::{Kept, TopicError, TopicShape, Topics};
use thalweg_connectors::kafka::transactions::{Position, Transactions, Written};
use thalweg_core::failure::Verdict;
use thalweg_core::flight::Flight;
use thalweg_core::headers::{Headers, encode_headers};
use thalweg_core::position::PartitionId;
use thalweg_core::sink::{LaneId, Next, Sink as _, SinkMachine as _};
use thalweg_embedded::broker::{EmbeddedBroker, PARTITION_BYTES_MAX};
use thalweg_embedded::unread::UnreadBytes;

const PARTITIONS: u32 = 4;

fn settings(broker: &EmbeddedBroker) -> KafkaSettings {
    let group = GroupSettings { id: "group".to_owned(), ..GroupSettings::default() };
    KafkaSettings { brokers: broker.brokers().to_owned(), group, ..KafkaSettings::default() }
}

fn started() -> EmbeddedBroker {
    EmbeddedBroker::start(&[("events", PARTITIONS), ("events.dlq", PARTITIONS)]).unwrap()
}

/// Writes with our own producer: values are the record's number, keyed and spread over the partitions by it.
fn write(broker: &EmbeddedBroker, numbers: std::ops::Range<u32>) {
    let producer = KafkaProducer::connect(&settings(broker), 1 << 20).unwrap();
    let mut headers = Vec::new();
    encode_headers([(b"message-id".as_slice(), Some(b"x".as_slice()))].into_iter(), &mut headers);
    let effects: Vec<_> = numbers
        .map(|number| {
            let (mut bytes, value) = (Vec::new(), number.to_string());
            let (partition, value) = (Some((number % PARTITIONS).cast_signed()), value.as_bytes());
            let record = Produce {
                topic: "events",
                partition,
                key: Some(value),
                value: Some(value),
                headers: Headers::new(&headers),
            };
            let domain = KafkaSink::encode(record, &mut bytes);
            (domain, bytes)
        })
        .collect();
    let mut flight = Flight::of_effects(
        effects.iter().zip(0..).map(|((domain, bytes), offset)| (offset, *domain, &bytes[..])),
    );
    let mut next = KafkaSink.begin(LaneId(0), &mut flight);
    while let Next::Send(request) = next {
        let reply = block_on(producer.send(request));
        next = KafkaSink.resume(LaneId(0), &mut flight, reply);
    }
    assert!(
        flight.verdicts().iter().all(|verdict| *verdict == Some(Verdict::Done)),
        "{:?}",
        flight.verdicts()
    );
}

/// Reads so many records; answers their numbers by partition number, in the order they came.
fn read(worker: &mut TestWorker, records: u64) -> BTreeMap<i32, Vec<u32>> {
    let (mut values, begun, wanted) = (Vec::new(), Instant::now(), worker.records + records);
    while worker.records < wanted {
        assert!(begun.elapsed() < PATIENCE, "{} of {wanted}: {:?}", worker.records, worker.events);
        worker.turn(&mut |batch| {
            values.extend((0..batch.len()).map(|index| {
                let record = batch.record(index);
                assert_eq!(record.headers.get("message-id"), Some(b"x".as_slice()));
                let text = std::str::from_utf8(record.value.unwrap()).unwrap();
                (record.position.partition, text.parse().unwrap())
            }));
        });
    }
    let mut read: BTreeMap<i32, Vec<u32>> = BTreeMap::new();
    for (partition, number) in values {
        read.entry(worker.source.partitions().name(partition).unwrap().1).or_default().push(number);
    }
    read
}

fn committed(worker: &TestWorker) -> Option<CommitOutcome> {
    worker.event(|event| match event {
        SourceEvent::Committed { outcome, .. } => Some(outcome.clone()),
        _ => None,
    })
}

fn numbers_of(partition: u32, numbers: std::ops::Range<u32>) -> Vec<u32> {
    numbers.filter(|number| number % PARTITIONS == partition).collect()
}

#[test]
fn topics_are_described_with_ids_and_those_for_dead_letters_are_there() {
    let broker = started();
    let topics = Topics::connect(&settings(&broker), Duration::from_secs(10)).unwrap();
    let (events, letters) = (topics.describe("events").unwrap(), topics.describe("events.dlq").unwrap());
    assert_eq!((events.partitions, events.id.len()), (PARTITIONS, 32));
    assert!(events.id != letters.id && events.id != "0".repeat(32));
    assert_eq!(topics.describe("events").unwrap(), events, "it keeps its id");
    let shape = TopicShape {
        partitions: PARTITIONS,
        kept: Kept::For(86_400_000),
        record_bytes_max: Some(2 << 20),
        replicas: None,
    };
    assert_eq!(topics.ensure("events.dlq", shape).unwrap(), letters);
    assert!(matches!(topics.describe("nothing"), Err(TopicError::Missing { .. })));
    write(&broker, 0..40);
    assert_eq!(topics.end_of("events", 1).unwrap(), 10);
}

#[test]
fn records_come_in_order_and_a_restart_resumes_at_the_commit_with_its_metadata() {
    for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        let broker = started();
        write(&broker, 0..10_000);
        let mut settings = settings(&broker);
        settings.group.protocol = protocol;
        let mut worker = TestWorker::join(&settings, "events");
        let found = read(&mut worker, 10_000);
        for partition in 0..PARTITIONS {
            assert_eq!(found[&partition.cast_signed()], numbers_of(partition, 0..10_000), "{protocol:?}");
        }
        assert!(worker.source.reads_raw_headers());
        let commits: Vec<_> =
            worker.next.iter().map(|(id, next)| (*id, next - 100, format!("t1;ahead={}", id.0))).collect();
        worker.source.commit(commits);
        worker.turn_until("commit", |worker| committed(worker).is_some());
        assert_eq!(committed(&worker), Some(CommitOutcome::Committed));
        assert!(worker.source.close(true).wait(PATIENCE));

        let progress = broker.group("group", "events", PARTITIONS).unwrap();
        assert_eq!(progress.committed().unwrap(), [2_400; PARTITIONS as usize]);
        write(&broker, 10_000..10_400);
        let mut worker = TestWorker::join(&settings, "events");
        let found = read(&mut worker, 800);
        for partition in 0..PARTITIONS {
            assert_eq!(found[&partition.cast_signed()], numbers_of(partition, 9_600..10_400), "{protocol:?}");
        }
        let event = format!("{:?}", worker.events);
        assert!((0..PARTITIONS).all(|id| event.contains(&format!("(2400, \"t1;ahead={id}\")"))), "{event}");
        assert!(worker.source.close(true).wait(PATIENCE));
    }
}

#[test]
fn members_share_the_partitions() {
    for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        share(protocol);
    }
}

fn share(protocol: GroupProtocol) {
    let broker = started();
    let mut settings = settings(&broker);
    settings.group.protocol = protocol;
    // With the classic protocol this broker waits nearly so long for members to join, even if all have.
    settings.group.session_timeout_ms = (protocol == GroupProtocol::Classic).then_some(3_000);
    settings.group.heartbeat_interval_ms = (protocol == GroupProtocol::Classic).then_some(500);
    let mut first = TestWorker::join(&settings, "events");
    first.turn_until("all partitions", |worker| worker.owned.len() == PARTITIONS as usize);
    let mut second = TestWorker::join(&settings, "events");
    let revoked = |worker: &TestWorker| {
        worker.event(|event| match event {
            SourceEvent::Revoked(partitions) => Some(partitions.clone()),
            _ => None,
        })
    };
    first.turn_until("revocation", |worker| {
        second.turn(&mut |_| {});
        revoked(worker).is_some()
    });
    first.release(&revoked(&first).unwrap());
    second.turn_until("half of the partitions", |worker| {
        first.turn(&mut |_| {});
        worker.owned.len() == 2 && first.owned.len() == 2
    });
    let numbers = |worker: &TestWorker| -> BTreeSet<i32> {
        worker.owned.iter().map(|id| worker.source.partitions().name(*id).unwrap().1).collect()
    };
    assert!(numbers(&first).is_disjoint(&numbers(&second)));
    assert!(first.source.close(true).wait(PATIENCE));
    second.turn_until("all partitions", |worker| worker.owned.len() == PARTITIONS as usize);
    assert!(second.source.close(true).wait(PATIENCE));
}

#[test]
fn a_broker_that_was_down_goes_on_where_it_was() {
    let broker = started();
    write(&broker, 0..400);
    let mut worker = TestWorker::join(&settings(&broker), "events");
    read(&mut worker, 400);
    broker.take_down().unwrap();
    worker.turn_until("a warning", |worker| {
        worker.event(|event| matches!(event, SourceEvent::Warning(_)).then_some(())).is_some()
    });
    broker.bring_up().unwrap();
    write(&broker, 400..800);
    let found = read(&mut worker, 400);
    assert_eq!(found[&0], numbers_of(0, 400..800));
    assert!(worker.source.close(true).wait(PATIENCE));
}

#[test]
fn what_is_unread_is_dropped_above_the_limit_and_kept_by_who_counts_it() {
    let broker = EmbeddedBroker::start(&[("counted", 1), ("uncounted", 1)]).unwrap();
    let record = |number: u64| -> Vec<u8> {
        // Bytes that no compression makes smaller.
        let mut state = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u8
        };
        std::iter::repeat_with(next).take(10_000).collect()
    };
    let mut unread = UnreadBytes::new(1);
    for (topic, counts) in [("counted", true), ("uncounted", false)] {
        let producer = KafkaProducer::connect(&settings(&broker), 1 << 20).unwrap();
        for number in 0..PARTITION_BYTES_MAX / 10_000 + 100 {
            if counts && !unread.has_room(0) {
                break;
            }
            unread.wrote(0, number, 10_000);
            let mut bytes = Vec::new();
            let (value, headers) = (record(number), Headers::default());
            let produce = Produce { topic, partition: Some(0), key: None, value: Some(&value), headers };
            let domain = KafkaSink::encode(produce, &mut bytes);
            let mut flight = Flight::of_effects([(0, domain, &bytes[..])]);
            let Next::Send(request) = KafkaSink.begin(LaneId(0), &mut flight) else { panic!("a request") };
            let reply = block_on(producer.send(request));
            assert!(matches!(KafkaSink.resume(LaneId(0), &mut flight, reply), Next::Settled));
        }
    }
    for (topic, is_lost) in [("counted", false), ("uncounted", true)] {
        let mut worker = TestWorker::join(&settings(&broker), topic);
        worker.begin.insert(PartitionId(0), 0);
        let told = |event: &SourceEvent| matches!(event, SourceEvent::OffsetOutOfRange { .. }).then_some(());
        worker.turn_until("records or a loss", |worker| worker.records > 0 || worker.event(told).is_some());
        assert_eq!(worker.event(told).is_some(), is_lost, "{topic}: {:?}", worker.events);
        assert!(worker.source.close(true).wait(PATIENCE));
    }
}

/// So that whoever runs an exactly-once flow here knows what that is worth, and hears when a newer broker is better.
#[test]
fn transactions_are_answered_and_do_not_isolate_and_their_offsets_are_forgotten() {
    let broker = started();
    let settings = settings(&broker);
    let mut transactions = Transactions::begin(&settings, "id").unwrap();
    let record = |value| Produce {
        topic: "events.dlq",
        partition: Some(0),
        key: None,
        value: Some(value),
        headers: Headers::default(),
    };
    let position =
        || [Position { topic: "events", partition: 0, next_offset: 7, metadata: "e1;n=1".to_owned() }];
    for value in [&b"one"[..], b"two"] {
        let written = transactions.write(&[record(value)], &position()).unwrap();
        assert!(matches!(written, Written::Committed), "{written:?}");
    }
    let topics = Topics::connect(&settings, Duration::from_secs(5)).unwrap();
    // No markers.
    assert_eq!(topics.end_of("events.dlq", 0).unwrap(), 2);
    assert_eq!(topics.committed("events", PARTITIONS).unwrap(), vec![None; PARTITIONS as usize]);

    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.brokers()).set("transactional.id", "aborts");
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    let never: BaseRecord<'_, (), str> = BaseRecord::to("events.dlq").partition(0).payload("never");
    producer.send(never).map_err(|(error, _)| error).unwrap();
    producer.flush(PATIENCE).unwrap();
    producer.abort_transaction(PATIENCE).unwrap();
    let mut worker = TestWorker::join(&settings, "events.dlq");
    let mut values = Vec::new();
    let begun = Instant::now();
    while values.len() < 3 {
        assert!(begun.elapsed() < PATIENCE, "{values:?}");
        worker.turn(&mut |batch| {
            values.extend((0..batch.len()).map(|index| batch.record(index).value.unwrap().to_vec()));
        });
    }
    assert_eq!(values, [&b"one"[..], b"two", b"never"]);
    assert!(worker.source.close(true).wait(PATIENCE));
}

#[test]
fn a_changelog_that_is_there_is_taken_though_nobody_says_whether_it_is_compacted() {
    let broker = started();
    let topics = Topics::connect(&settings(&broker), Duration::from_secs(5)).unwrap();
    let found = topics.ensure_changelog("events.dlq", "events", PARTITIONS).unwrap();
    assert_eq!(found.partitions, PARTITIONS);
    assert_eq!(topics.ensure_compacted("events.dlq", PARTITIONS).unwrap(), found);
    assert_eq!(topics.delete_retention_ms("events.dlq").unwrap(), None);
}
