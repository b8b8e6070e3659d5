//! What follows a transaction that was aborted with much under way, on the real cluster.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod kafka_cluster;

use std::collections::HashMap;
use std::time::Instant;

use kafka_cluster::{PATIENCE, brokers, create_topic, settings, unique};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use thalweg_connectors::kafka::produce::Produce;
use thalweg_connectors::kafka::transactions::{Transactions, Written};
use thalweg_core::headers::Headers;

const PARTITIONS: i32 = 8;

/// Aborted ones, each with one behind it that is committed.
const ROUNDS: usize = 12;

/// Of a transaction to be aborted, for each topic: so many that requests wait in the client when the last one is refused.
const ABORTED: usize = 6_000;

/// Of a transaction to be committed, for each topic.
const COMMITTED: usize = 400;

/// Says which topic it belongs to, and which transaction.
fn keys(topics: &[String], what: &str, count: usize) -> Vec<(String, String)> {
    let of = |number| topics.iter().map(move |topic| (topic.clone(), format!("{topic} {what} {number}")));
    (0..count).flat_map(of).collect()
}

fn records(keys: &[(String, String)]) -> Vec<Produce<'_>> {
    keys.iter()
        .zip(0..)
        .map(|((topic, key), number)| Produce {
            topic,
            partition: Some(number % PARTITIONS),
            key: Some(key.as_bytes()),
            value: Some(key.as_bytes()),
            headers: Headers::default(),
        })
        .collect()
}

/// How often each key stands in the topics, committed or not, by topic and key.
fn found(topics: &[String]) -> HashMap<(String, String), usize> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers())
        .set("group.id", "reads-alone")
        .set("enable.auto.commit", "false");
    config.set("isolation.level", "read_uncommitted").set("enable.partition.eof", "true");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut list = TopicPartitionList::new();
    for topic in topics {
        for partition in 0..PARTITIONS {
            list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
    }
    consumer.assign(&list).unwrap();
    let (mut left, mut found, begun) = (list.count(), HashMap::new(), Instant::now());
    while left > 0 {
        assert!(begun.elapsed() < PATIENCE, "{left} partitions are not read to their ends");
        match consumer.poll(PATIENCE).unwrap() {
            Ok(message) => {
                let key = String::from_utf8(message.key().unwrap().to_vec()).unwrap();
                *found.entry((message.topic().to_owned(), key)).or_default() += 1;
            }
            Err(KafkaError::PartitionEOF(_)) => left -= 1,
            Err(error) => panic!("{error}"),
        }
    }
    found
}

/// A client that goes on after an abort has numbers that do not join on to what the brokers have: the next transaction fails in
/// its midst, and part of it is written before it is done again.
#[test]
fn what_follows_an_aborted_transaction_is_written_once_and_where_it_belongs() {
    let topics = ["copies", "changelog"].map(|what| unique(&format!("aborts-{what}")));
    topics.iter().for_each(|topic| create_topic(topic, PARTITIONS, &[]));
    let id = unique("aborts");
    let mut transactions = Transactions::begin(&settings(&id), &id).unwrap();
    // No topic can have that name: the client refuses the record at once.
    let impossible = "x".repeat(600);
    let mut expected = HashMap::new();
    for round in 0..ROUNDS {
        let aborted = keys(&topics, &format!("aborted {round}"), ABORTED);
        let mut refused = records(&aborted);
        refused.push(Produce { topic: &impossible, ..refused[0] });
        let written = transactions.write(&refused, &[]).unwrap();
        assert!(matches!(&written, Written::Refused(which) if which[0].0 == aborted.len()), "{written:?}");
        let committed = keys(&topics, &format!("committed {round}"), COMMITTED);
        let written = transactions.write(&records(&committed), &[]).unwrap();
        assert!(matches!(written, Written::Committed), "{written:?}");
        expected.extend(committed.into_iter().map(|topic_and_key| (topic_and_key, 1)));
    }
    let found = found(&topics);
    let foreign = found.keys().find(|(topic, key)| !key.starts_with(&format!("{topic} ")));
    assert_eq!(foreign, None, "a record stands in another topic than its own");
    let is_kept = |((_, key), _): &(&(String, String), &usize)| key.contains(" committed ");
    let kept: HashMap<_, _> =
        found.iter().filter(is_kept).map(|(key, times)| (key.clone(), *times)).collect();
    let wrong: Vec<_> =
        kept.iter().filter(|(key, times)| expected.get(*key) != Some(*times)).take(3).collect();
    assert!(wrong.is_empty() && kept.len() == expected.len(), "not once: {wrong:?}");
}
