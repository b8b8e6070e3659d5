//! Reads what a flow has written as readers of committed records do, and has it judged. Knows nothing of the engine.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use loadgen::copied::judge::Judge;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use thalweg_testbed::instance::{PATIENCE, until};

use crate::scene::Scene;
use crate::topics::{ANSWER, config};
use crate::written::{Written, expected};

/// Values by key, in the order in which they lie.
type Read = BTreeMap<String, Vec<String>>;

/// One above the newest record of each partition, committed or not; and the same of what is decided.
fn ends(scene: &Scene, topic: &str) -> Vec<[i64; 2]> {
    let end = |isolation: &str, partition| {
        let client: BaseConsumer = config(&scene.brokers).set("isolation.level", isolation).create().unwrap();
        let mut found = Err(KafkaError::NoMessageReceived);
        until("the end of a partition", || {
            found = client.fetch_watermarks(topic, partition, ANSWER);
            found.is_ok()
        });
        found.unwrap().1
    };
    let of = |partition| [end("read_uncommitted", partition), end("read_committed", partition)];
    (0..scene.partitions).map(of).collect()
}

/// Fails when a transaction is open in the topic.
fn assert_nothing_is_open(scene: &Scene, topic: &str) {
    for (partition, [all, decided]) in ends(scene, topic).into_iter().enumerate() {
        assert_eq!(all, decided, "{topic}/{partition}: a transaction is open");
    }
}

/// Everything that is committed in the topic.
pub(crate) fn read_committed(scene: &Scene, topic: &str) -> Read {
    let mut follower = Follower::begin(scene, topic);
    let ends: Vec<_> = ends(scene, topic).into_iter().map(|[all, _]| all).collect();
    let begun = Instant::now();
    while !follower.has_read(&ends) {
        assert!(begun.elapsed() < PATIENCE, "{topic} is not read to its end");
        follower.poll();
    }
    follower.read
}

/// Reads what is committed as it comes.
pub(crate) struct Follower {
    consumer: BaseConsumer,
    topic: String,
    pub(crate) read: Read,
    last: Instant,
    /// The longest time between two records.
    pub(crate) stall: Duration,
}

impl Follower {
    pub(crate) fn begin(scene: &Scene, topic: &str) -> Self {
        let consumer: BaseConsumer = config(&scene.brokers)
            .set("group.id", "reads-alone")
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .create()
            .unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..scene.partitions {
            list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        let topic = topic.to_owned();
        Self { consumer, topic, read: Read::new(), last: Instant::now(), stall: Duration::ZERO }
    }

    pub(crate) fn poll(&mut self) {
        // The client tells of lost connections too, and comes back by itself.
        let Some(Ok(message)) = self.consumer.poll(Duration::from_millis(50)) else { return };
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
        if !self.read.is_empty() {
            self.stall = self.stall.max(self.last.elapsed());
        }
        self.read.entry(text(message.key())).or_default().push(text(message.payload()));
        self.last = Instant::now();
    }

    fn has_read(&self, ends: &[i64]) -> bool {
        let positions = self.consumer.position().unwrap();
        ends.iter().zip(0..).all(|(end, partition)| {
            let position = positions.find_partition(&self.topic, partition).unwrap().offset();
            *end == 0 || position.to_raw().is_some_and(|position| position >= *end)
        })
    }
}

/// Fails unless the flow has done with the source what it should, once each.
pub(crate) fn check(scene: &Scene, source: &[Written]) {
    let expected = || expected(source).into_iter();
    for topic in [scene.copies(), scene.counts(), scene.changelog()] {
        assert_nothing_is_open(scene, &topic);
    }
    judge(&read_committed(scene, &scene.copies()), Judge::of_copies(expected()));
    judge(&read_committed(scene, &scene.counts()), Judge::of_counts(expected()));
}

fn judge(found: &Read, mut judge: Judge) {
    for (key, values) in found {
        // Where a record stood was not kept: what counts is its place among those of its key.
        for (value, place) in values.iter().zip(0..) {
            judge.see(Some(key.as_bytes()), Some(value.as_bytes()), (-1, place));
        }
    }
    let verdict = judge.verdict();
    assert!(verdict.ok(), "{verdict:?}");
}
