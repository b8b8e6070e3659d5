//! Reading whole topics and what comes to them, from the real cluster.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod kafka_cluster;

use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_cluster::{Bell, PATIENCE, brokers, create_topic, settings, unique, write};
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use thalweg_connectors::kafka::follow::Follower;
use thalweg_connectors::kafka::settings::KafkaSettings;
use thalweg_connectors::kafka::topics::{TopicError, Topics};
use thalweg_core::batch::Batch;
use thalweg_core::position::{Epoch, PartitionId};

/// Twice as long as a broker holds back an answer that brings nothing, which is what tells the client of an end.
const END_IS_TOLD: Duration = Duration::from_millis(1_000);

/// A topic being followed, without a group.
struct Following {
    follower: Follower,
    bell: Arc<Bell>,
    batch: Batch,
    /// Partition and value.
    read: Vec<(u32, String)>,
    topics: Topics,
    topic: String,
}

impl Following {
    fn begin(topic: &str, partitions: u32) -> Self {
        let bell = Arc::new(Bell::default());
        let without_group = KafkaSettings { brokers: brokers(), ..KafkaSettings::default() };
        let follower = Follower::open(&without_group, (topic, partitions), 1_024, bell.wake()).unwrap();
        let topics = Topics::connect(&settings(&unique("looks")), PATIENCE).unwrap();
        let batch = Batch::new(PartitionId(0), Epoch(0));
        Self { follower, bell, batch, read: Vec::new(), topics, topic: topic.to_owned() }
    }

    fn turn(&mut self) {
        self.bell.wait(Duration::from_millis(50));
        while self.follower.read(&mut self.batch).unwrap() > 0 {
            let partition = self.batch.partition().0;
            let value = |index| self.batch.record(index).value.map_or("".into(), String::from_utf8_lossy);
            self.read.extend((0..self.batch.len()).map(|index| (partition, value(index).into_owned())));
        }
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !done(self) {
            let positions = self.follower.positions();
            assert!(begun.elapsed() < PATIENCE, "no {what}: {:?} {positions:?}", self.read);
            self.turn();
        }
    }

    /// Where the topic ends, transactions that are open included.
    fn ends(&self) -> Vec<i64> {
        self.topics.ends_of(&self.topic, self.follower.partitions()).unwrap()
    }

    /// Reads to where the topic ends now; what comes meanwhile too, as markers do.
    fn catch_up(&mut self) {
        let ends = self.ends();
        self.until("end", |one| one.follower.positions().iter().zip(&ends).all(|(read, end)| read >= end));
    }

    fn values(&self, partition: u32) -> Vec<&str> {
        self.read.iter().filter(|(number, _)| *number == partition).map(|(_, value)| value.as_str()).collect()
    }
}

fn in_transaction(id: &str) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers()).set("transactional.id", id);
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    producer
}

fn send(producer: &BaseProducer, topic: &str, partition: i32, value: &str) {
    let record: BaseRecord<'_, str, str> = BaseRecord::to(topic).partition(partition).key("k").payload(value);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(PATIENCE).unwrap();
}

fn plain(topic: &str, partition: i32, values: &[&str]) {
    let records = values.iter().map(|value| {
        let bytes = |text: &str| Some(text.as_bytes().to_vec());
        (partition, bytes("k"), bytes(value), Vec::new())
    });
    write(topic, "none", records);
}

#[test]
fn what_is_there_and_what_comes_is_read_of_all_partitions() {
    let topic = unique("follow");
    create_topic(&topic, 3, &[("cleanup.policy", "compact")]);
    plain(&topic, 0, &["a", "b"]);
    plain(&topic, 2, &["c"]);
    let mut following = Following::begin(&topic, 3);
    following.catch_up();
    assert_eq!(
        (following.values(0), following.values(1), following.values(2)),
        (vec!["a", "b"], vec![], vec!["c"])
    );
    plain(&topic, 1, &["d"]);
    plain(&topic, 0, &["e"]);
    following.catch_up();
    assert_eq!((following.values(0), following.values(1)), (vec!["a", "b", "e"], vec!["d"]));
    assert_eq!(following.follower.warnings(), Vec::<String>::new());
}

#[test]
fn positions_count_markers_and_nothing_that_is_still_open() {
    let topic = unique("follow-markers");
    create_topic(&topic, 1, &[("cleanup.policy", "compact")]);
    let producer = in_transaction(&unique("writes"));
    send(&producer, &topic, 0, "a");
    let mut following = Following::begin(&topic, 1);
    assert_eq!(following.ends(), [1], "what is open counts");
    for turn in 0..3 {
        // For so long that an end is told, with nothing behind it but what is open.
        let begun = Instant::now();
        while begun.elapsed() < END_IS_TOLD {
            following.turn();
            assert_eq!(following.follower.positions(), [turn * 4], "the notice of an end is no record");
        }
        producer.commit_transaction(PATIENCE).unwrap();
        following.until("position behind the marker", |one| one.follower.positions() == [turn * 4 + 2]);
        producer.begin_transaction().unwrap();
        send(&producer, &topic, 0, "never");
        producer.abort_transaction(PATIENCE).unwrap();
        following.until("position behind the marker", |one| one.follower.positions() == [turn * 4 + 4]);
        producer.begin_transaction().unwrap();
        send(&producer, &topic, 0, "a");
    }
    assert_eq!(following.values(0), ["a", "a", "a"]);
}

#[test]
fn partitions_that_are_added_are_read_from_their_beginning() {
    let topic = unique("follow-grows");
    create_topic(&topic, 1, &[("cleanup.policy", "compact")]);
    plain(&topic, 0, &["a"]);
    let mut following = Following::begin(&topic, 1);
    following.catch_up();
    following.topics.add_partitions(&topic, 3).unwrap();
    let begun = Instant::now();
    while following.topics.describe(&topic).unwrap().partitions < 3 {
        assert!(begun.elapsed() < PATIENCE, "the brokers don't know of the new partitions");
    }
    plain(&topic, 2, &["b"]);
    plain(&topic, 0, &["c"]);
    following.follower.widen(3).unwrap();
    following.catch_up();
    assert_eq!((following.values(0), following.values(2)), (vec!["a", "c"], vec!["b"]));
    assert_eq!(following.ends(), [2, 0, 1]);
}

#[test]
fn a_topic_is_made_compacted_and_one_that_is_not_is_refused() {
    let topics = Topics::connect(&settings(&unique("makes")), PATIENCE).unwrap();
    let (made, other) = (unique("compacted"), unique("not-compacted"));
    let found = topics.ensure_compacted(&made, 3).unwrap();
    assert_eq!(found.partitions, 3);
    assert_eq!(topics.ensure_compacted(&made, 5).unwrap(), found, "one that is there is left as it is");
    create_topic(&other, 1, &[("cleanup.policy", "delete")]);
    let refused = topics.ensure_compacted(&other, 1).unwrap_err();
    assert!(matches!(refused, TopicError::NotCompacted { .. }), "{refused}");
    assert!(refused.to_string().contains(&other) && refused.to_string().contains("\"delete\""), "{refused}");
}

#[test]
fn brokers_that_are_not_there_are_named() {
    let nowhere = KafkaSettings { brokers: "127.0.0.1:1".to_owned(), ..settings("g") };
    let topics = Topics::connect(&nowhere, Duration::from_secs(2)).unwrap();
    let refused = topics.ensure_compacted("any", 1).unwrap_err();
    assert!(matches!(refused, TopicError::Unreachable { .. }), "{refused}");
    assert!(refused.to_string().contains("127.0.0.1:1"), "{refused}");
}
