//! Topics of the tests, and what readers of committed records find there.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use thalweg_testbed::instance::{PATIENCE, until};

/// How long a broker may take for one answer.
const ANSWER: Duration = Duration::from_secs(10);

pub(crate) fn config(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    config
}

fn admin(brokers: &str) -> AdminClient<DefaultClientContext> {
    config(brokers).create().unwrap()
}

fn wait_for<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Makes a topic and waits until it is known.
pub(crate) fn create(brokers: &str, name: &str, partitions: i32) {
    create_with(brokers, name, partitions, &[]);
}

/// As [`create`], with settings of its own.
pub(crate) fn create_with(brokers: &str, name: &str, partitions: i32, settings: &[(&str, &str)]) {
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for (key, value) in settings {
        topic = topic.set(key, value);
    }
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
    wait_for(admin(brokers).create_topics([&topic], &options)).unwrap().remove(0).unwrap();
    let consumer: BaseConsumer = config(brokers).create().unwrap();
    until("the topic is known", || {
        let metadata = consumer.fetch_metadata(Some(name), ANSWER).unwrap();
        metadata.topics().first().is_some_and(|topic| topic.partitions().len() == partitions as usize)
    });
}

/// Makes a topic of one partition, unless one of that name is still being removed.
pub(crate) fn try_create(brokers: &str, name: &str, settings: &[(&str, &str)]) -> bool {
    let mut topic = NewTopic::new(name, 1, TopicReplication::Fixed(1));
    for (key, value) in settings {
        topic = topic.set(key, value);
    }
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
    wait_for(admin(brokers).create_topics([&topic], &options)).unwrap().remove(0).is_ok()
}

/// Records that are there in the first partition of a topic.
pub(crate) fn count(brokers: &str, topic: &str) -> u64 {
    let mut count = 0;
    read(brokers, topic, 1, |_| count += 1);
    count
}

/// Adds partitions, up to that many.
pub(crate) fn widen(brokers: &str, name: &str, partitions: usize) {
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
    let wanted = NewPartitions::new(name, partitions);
    wait_for(admin(brokers).create_partitions([&wanted], &options)).unwrap().remove(0).unwrap();
}

/// Removes topics, those that are there.
pub(crate) fn delete(brokers: &str, names: &[&str]) {
    let quick = AdminOptions::new().request_timeout(Some(ANSWER));
    let _ = wait_for(admin(brokers).delete_topics(names, &quick));
}

/// Writes a record without headers and waits until it is there.
pub(crate) fn write(brokers: &str, topic: &str, key: &str, value: &str) {
    let producer: BaseProducer = config(brokers).create().unwrap();
    producer.send(BaseRecord::to(topic).key(key).payload(value)).map_err(|(error, _)| error).unwrap();
    producer.flush(PATIENCE).unwrap();
}

/// A record: key, value, and the header `correlation-id`.
pub(crate) struct Found {
    pub(crate) value: String,
    pub(crate) correlation_id: String,
}

/// Everything that is committed in those partitions of a topic, one after the other.
pub(crate) fn read_committed(brokers: &str, topic: &str, partitions: i32) -> Vec<Found> {
    let mut found = Vec::new();
    read(brokers, topic, partitions, |message| {
        let headers = message.headers().unwrap();
        let id = headers.iter().find(|header| header.key == "correlation-id").unwrap().value.unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        found.push(Found { value: text(message.payload().unwrap()), correlation_id: text(id) });
    });
    found
}

fn read(brokers: &str, topic: &str, partitions: i32, mut each: impl FnMut(&BorrowedMessage<'_>)) {
    let consumer: BaseConsumer = config(brokers)
        .set("group.id", "reads-alone")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    for partition in 0..partitions {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
        loop {
            match consumer.poll(PATIENCE).expect("a broker answers") {
                Ok(message) => each(&message),
                Err(rdkafka::error::KafkaError::PartitionEOF(_)) => break,
                // The client comes back by itself.
                Err(_) => {}
            }
        }
    }
}
