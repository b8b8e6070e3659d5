//! Topics of the tests: making, writing, and how far a group has come.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loadgen::brokers::Brokers;
use loadgen::verify::topic::{Topic, header};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};
use thalweg_testbed::instance::{PATIENCE, until};

use super::records::Written;

/// Partition and offset.
pub type Position = (u32, u64);

const ANSWER: Duration = Duration::from_secs(10);

pub fn config(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    config
}

fn admin(brokers: &str) -> AdminClient<DefaultClientContext> {
    config(brokers).create().unwrap()
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE))
}

fn wait_for<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Makes a topic and waits until it is known; one that is just being deleted is waited for.
pub fn create(brokers: &str, name: &str, partitions: i32, settings: &[(&str, &str)]) {
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for (key, value) in settings {
        topic = topic.set(key, value);
    }
    let admin = admin(brokers);
    until("the topic is made", || {
        wait_for(admin.create_topics([&topic], &options())).unwrap().remove(0).is_ok()
    });
    let consumer: BaseConsumer = config(brokers).create().unwrap();
    until("the topic is known", || {
        let metadata = consumer.fetch_metadata(Some(name), ANSWER).unwrap();
        metadata.topics().first().is_some_and(|topic| topic.partitions().len() == partitions as usize)
    });
}

/// Removes topics, those that are there.
pub fn delete(brokers: &str, names: &[&str]) {
    let quick = AdminOptions::new().request_timeout(Some(ANSWER));
    let _ = wait_for(admin(brokers).delete_topics(names, &quick));
}

/// Gives a topic more partitions.
pub fn grow(brokers: &str, name: &str, partitions: usize) {
    let new = NewPartitions::new(name, partitions);
    wait_for(admin(brokers).create_partitions([&new], &options())).unwrap().remove(0).unwrap();
}

/// Sets one property of a topic.
pub fn set(brokers: &str, name: &str, property: &str, value: &str) {
    let change = format!("{property}={value}");
    thalweg_testbed::recipe::kafka::tool(
        "kafka.admin.ConfigCommand",
        &[
            "--bootstrap-server",
            brokers,
            "--entity-type",
            "topics",
            "--entity-name",
            name,
            "--alter",
            "--add-config",
            &change,
        ],
    )
    .unwrap();
}

/// Removes the records of a partition below `offset`, as retention does.
pub fn cut(brokers: &str, name: &str, partition: i32, offset: i64) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(name, partition, Offset::Offset(offset)).unwrap();
    wait_for(admin(brokers).delete_records(&list, &options())).unwrap();
}

/// Where records went, by their number.
struct Acknowledged(Mutex<Vec<Option<Position>>>);

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, number: Box<usize>) {
        let message = result.as_ref().unwrap_or_else(|(error, _)| panic!("not written: {error}"));
        let position = (message.partition().unsigned_abs(), message.offset().unsigned_abs());
        self.0.lock().unwrap()[*number] = Some(position);
    }
}

/// Writes records in order, each with a new event id, and answers where they are.
pub fn write(brokers: &str, topic: &str, records: &[Written]) -> Vec<Position> {
    static EVENTS: AtomicU64 = AtomicU64::new(0);
    let acknowledged = Acknowledged(Mutex::new(vec![None; records.len()]));
    let producer: BaseProducer<Acknowledged> = config(brokers)
        .set("message.max.bytes", "4000000")
        .set("enable.idempotence", "true")
        .set("linger.ms", "0")
        .create_with_context(acknowledged)
        .unwrap();
    for (number, record) in records.iter().enumerate() {
        let event = format!("event-{}", EVENTS.fetch_add(1, Ordering::Relaxed));
        let headers = OwnedHeaders::new().insert(Header { key: "message-id", value: Some(&event) });
        let mut sent: BaseRecord<'_, [u8], [u8], Box<usize>> =
            BaseRecord::with_opaque_to(topic, Box::new(number)).headers(headers);
        sent.key = record.key.as_deref();
        sent.payload = record.value.as_deref();
        sent.partition = record.partition;
        producer.send(sent).map_err(|(error, _)| error).unwrap();
        producer.poll(Duration::ZERO);
    }
    producer.flush(PATIENCE).unwrap();
    let positions = producer.context().0.lock().unwrap().clone();
    positions.into_iter().map(|position| position.expect("a flushed record is acknowledged")).collect()
}

/// How many offsets lie between what the group has committed and the ends; an error while the broker can't say.
pub fn unfinished(brokers: &str, topic: &str, group: &str) -> KafkaResult<i64> {
    let consumer: BaseConsumer = config(brokers).set("group.id", group).create().unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER)?;
    let mut list = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        list.add_partition(topic, partition.id());
    }
    let committed = consumer.committed_offsets(list, ANSWER)?;
    let mut left = 0;
    for found in committed.elements() {
        let (low, high) = consumer.fetch_watermarks(topic, found.partition(), ANSWER)?;
        left += high - found.offset().to_raw().filter(|offset| *offset >= 0).unwrap_or(low);
    }
    Ok(left)
}

/// Commits for a group that has no member.
pub fn commit(brokers: &str, topic: &str, group: &str, (partition, offset): Position) {
    let consumer: BaseConsumer = config(brokers).set("group.id", group).create().unwrap();
    let mut list = TopicPartitionList::new();
    let offset = Offset::Offset(offset.cast_signed());
    list.add_partition_offset(topic, partition.cast_signed(), offset).unwrap();
    consumer.commit(&list, CommitMode::Sync).unwrap();
}

/// The sum of the topic's ends.
pub fn ends(brokers: &str, topic: &str) -> i64 {
    let consumer: BaseConsumer = config(brokers).create().unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER).unwrap();
    let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
    partitions.map(|partition| consumer.fetch_watermarks(topic, partition.id(), ANSWER).unwrap().1).sum()
}

/// Of the committed records that have a header of that name: event ids, and the header's values.
pub fn header_values(brokers: &str, topic: &str, name: &str) -> Vec<(String, String)> {
    let brokers = Brokers { brokers: brokers.to_owned(), properties: Vec::new() };
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    let mut found = Vec::new();
    let topic = Topic::open(&brokers, topic).unwrap().expect("the topic is there");
    topic
        .each(|_, message| {
            if let Some(value) = header(message, name) {
                found.push((text(header(message, "message-id").unwrap()), text(value)));
            }
        })
        .unwrap();
    found
}
