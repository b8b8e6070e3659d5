//! Reading from the real cluster: everything comes, as it was written, and what can't be read is told.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod kafka_cluster;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use kafka_cluster::{
    PATIENCE, TestWorker, Written, admin, block_on, create_topic, delete_records, settings, unique, write,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers as _, Message};
use thalweg_connectors::kafka::event::SourceEvent;
use thalweg_connectors::kafka::topics::{TopicError, Topics};
use thalweg_core::position::PartitionId;

const PARTITIONS: i32 = 4;

fn written(index: u64) -> Written {
    let text = format!("{{\"n\":{index},\"padding\":\"{}\"}}", "x".repeat((index % 300) as usize));
    let headers = match index % 5 {
        0 => vec![],
        1 => vec![("only".to_owned(), Some(b"one".to_vec()))],
        2 => vec![("null".to_owned(), None), ("empty".to_owned(), Some(vec![]))],
        _ => (0..3).map(|n| (format!("header-{n}"), Some(vec![n as u8; (index % 90) as usize]))).collect(),
    };
    let key = (!index.is_multiple_of(7)).then(|| format!("key-{}", index % 100).into_bytes());
    let value = match index % 11 {
        0 => None,
        1 => Some(vec![]),
        _ => Some(text.into_bytes()),
    };
    ((index % PARTITIONS as u64) as i32, key, value, headers)
}

/// One record as read: key, value, headers.
type Read = (Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

fn read_all(topic: &str, records: u64) -> (HashMap<(i32, i64), Read>, bool) {
    let mut worker = TestWorker::join(&settings(&unique("reading")), topic);
    let mut read = HashMap::new();
    let begun = Instant::now();
    while worker.records < records {
        assert!(begun.elapsed() < PATIENCE, "{} of {records} records; {:?}", worker.records, worker.events);
        let mut batches = Vec::new();
        worker.turn(&mut |batch| {
            batches.extend((0..batch.len()).map(|index| {
                let record = batch.record(index);
                let headers =
                    record.headers.iter().map(|(n, v)| (n.to_vec(), v.map(<[u8]>::to_vec))).collect();
                assert!(record.timestamp_ms > 1_600_000_000_000);
                (record.position, (record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec), headers))
            }));
        });
        for (position, record) in batches {
            let (_, number) = worker.source.partitions().name(position.partition).unwrap();
            assert!(read.insert((number, position.offset), record).is_none(), "{position:?} came twice");
        }
    }
    let raw = worker.source.reads_raw_headers();
    assert!(worker.source.close(true).wait(PATIENCE));
    (read, raw)
}

#[test]
fn every_record_comes_as_it_was_written() {
    for compression in ["none", "lz4"] {
        let topic = unique("records");
        create_topic(&topic, PARTITIONS, &[]);
        let records = 100_000;
        write(&topic, compression, (0..records).map(written));
        let (read, raw) = read_all(&topic, records);
        assert!(raw, "the raw headers are believed with this librdkafka");
        let mut offsets = [0; PARTITIONS as usize];
        for index in 0..records {
            let (partition, key, value, headers) = written(index);
            let offset = &mut offsets[partition as usize];
            let headers: Vec<_> =
                headers.into_iter().map(|(name, value)| (name.into_bytes(), value)).collect();
            assert_eq!(read[&(partition, *offset)], (key, value, headers), "record {index}, {compression}");
            *offset += 1;
        }
        assert_eq!(read.len() as u64, records);
    }
}

#[test]
fn raw_headers_equal_what_the_stock_consumer_reads() {
    let topic = unique("headers");
    create_topic(&topic, PARTITIONS, &[]);
    let records = 2_000;
    write(&topic, "lz4", (0..records).map(written));
    let (read, raw) = read_all(&topic, records);
    assert!(raw);

    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", kafka_cluster::brokers()).set("group.id", unique("stock"));
    config.set("auto.offset.reset", "earliest");
    let stock: BaseConsumer = config.create().unwrap();
    stock.subscribe(&[&topic]).unwrap();
    let (begun, mut seen) = (Instant::now(), 0);
    while seen < records {
        assert!(begun.elapsed() < PATIENCE, "{seen} of {records}");
        let Some(message) = stock.poll(Duration::from_millis(100)) else { continue };
        let message = message.unwrap();
        let headers: Vec<_> = message.headers().map_or_else(Vec::new, |headers| {
            headers.iter().map(|h| (h.key.as_bytes().to_vec(), h.value.map(<[u8]>::to_vec))).collect()
        });
        assert_eq!(read[&(message.partition(), message.offset())].2, headers);
        seen += 1;
    }
}

#[test]
fn offsets_that_the_log_does_not_hold_are_told_and_nothing_is_skipped() {
    let topic = unique("deleted");
    create_topic(&topic, 1, &[]);
    write(
        &topic,
        "none",
        (0..100).map(|index| {
            let (_, k, v, h) = written(index);
            (0, k, v, h)
        }),
    );
    let mut worker = TestWorker::join(&settings(&unique("deleted")), &topic);
    // Somewhere the log ends before.
    worker.begin.insert(PartitionId(0), 5_000);
    let find = |event: &SourceEvent| match event {
        SourceEvent::OffsetOutOfRange { partition, offset, .. } => Some((*partition, *offset)),
        _ => None,
    };
    worker.turn_until("out-of-range event", |worker| worker.event(find).is_some());
    assert_eq!(worker.event(find), Some((PartitionId(0), 5_000)));
    assert_eq!(worker.records, 0, "{:?}", worker.events);
    assert!(worker.source.close(true).wait(PATIENCE));

    // And where it begins after.
    delete_records(&topic, 0, 60);
    let mut worker = TestWorker::join(&settings(&unique("deleted")), &topic);
    worker.begin.insert(PartitionId(0), 10);
    worker.turn_until("out-of-range event", |worker| worker.event(find).is_some());
    assert_eq!(worker.event(find), Some((PartitionId(0), 10)));
    assert_eq!(worker.records, 0);
    let low = worker.event(|event| match event {
        SourceEvent::Positions { found, .. } => Some((found[0].low, found[0].high)),
        _ => None,
    });
    assert_eq!(low, Some((60, 100)));
}

#[test]
fn a_topic_is_described_with_its_id_and_made_when_missing() {
    use thalweg_connectors::kafka::topics::{Kept, TopicShape};
    let topics = Topics::connect(&settings("unused"), Duration::from_secs(10)).unwrap();
    let name = unique("described");
    assert!(matches!(topics.describe(&name), Err(TopicError::Missing { .. })));
    let shape = TopicShape {
        partitions: 3,
        kept: Kept::For(86_400_000),
        record_bytes_max: Some(2_000_000),
        replicas: None,
    };
    let made = topics.ensure(&name, shape).unwrap();
    assert_eq!((made.partitions, made.id.len()), (3, 32));
    assert_ne!(made.id, "0".repeat(32));
    assert_eq!(topics.ensure(&name, shape).unwrap(), made, "the second time it is there");
    let more = TopicShape { partitions: 4, ..shape };
    let error = topics.ensure(&name, more).unwrap_err();
    assert!(matches!(error, TopicError::TooFewPartitions { partitions: 3, needed: 4, .. }), "{error}");

    let options = rdkafka::admin::AdminOptions::new().operation_timeout(Some(PATIENCE));
    block_on(admin().delete_topics(&[&name], &options)).unwrap().remove(0).unwrap();
    let begun = Instant::now();
    while topics.describe(&name).is_ok() {
        assert!(begun.elapsed() < PATIENCE);
    }
    let again = topics.ensure(&name, shape).unwrap();
    assert_ne!(again.id, made.id, "a topic made anew has another id");
}

#[test]
fn an_unreachable_broker_is_a_clear_error_within_seconds() {
    let mut settings = settings("unused");
    settings.brokers = "127.0.0.1:1".to_owned();
    let begun = Instant::now();
    let topics = Topics::connect(&settings, Duration::from_secs(3)).unwrap();
    let error = topics.describe("any").unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    let said = error.to_string();
    assert!(
        said.contains("no Kafka broker answers at 127.0.0.1:1") && said.contains("Connection refused"),
        "{said}"
    );
}
