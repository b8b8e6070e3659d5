//! Topics of the tests: making and writing them, and how far a group has come.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, TopicPartitionList};
use thalweg_testbed::instance::PATIENCE;

use crate::written::Written;

/// How long a broker may take for one answer.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);

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
pub(crate) fn create(brokers: &str, name: &str, partitions: i32, settings: &[(&str, &str)]) {
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for (key, value) in settings {
        topic = topic.set(key, value);
    }
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
    wait_for(admin(brokers).create_topics([&topic], &options)).unwrap().remove(0).unwrap();
    let consumer: BaseConsumer = config(brokers).create().unwrap();
    thalweg_testbed::instance::until("the topic is known", || {
        let metadata = consumer.fetch_metadata(Some(name), ANSWER).unwrap();
        metadata.topics().first().is_some_and(|topic| topic.partitions().len() == partitions as usize)
    });
}

/// Removes topics, those that are there.
pub(crate) fn delete(brokers: &str, names: &[&str]) {
    let quick = AdminOptions::new().request_timeout(Some(ANSWER));
    let _ = wait_for(admin(brokers).delete_topics(names, &quick));
}

/// Writes records in their order and waits until they are there.
pub(crate) fn write(brokers: &str, topic: &str, records: &[Written]) {
    let mut config = config(brokers);
    config.set("enable.idempotence", "true").set("linger.ms", "1");
    let producer: BaseProducer = config.create().unwrap();
    for Written { key, value, id } in records {
        let mut record: BaseRecord<'_, str, str> = BaseRecord::to(topic).payload(value);
        record.key = key.as_deref();
        if let Some(id) = id {
            record =
                record.headers(OwnedHeaders::new().insert(Header { key: "message-id", value: Some(id) }));
        }
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.poll(Duration::ZERO);
    }
    producer.flush(PATIENCE).unwrap();
}

/// How many offsets lie between what the group has committed and the ends; an error while the broker can't say.
pub(crate) fn uncommitted(brokers: &str, topic: &str, group: &str) -> KafkaResult<i64> {
    let consumer: BaseConsumer = config(brokers).set("group.id", group).create().unwrap();
    let mut left = 0;
    for found in committed(&consumer, topic)?.elements() {
        let (low, high) = consumer.fetch_watermarks(topic, found.partition(), ANSWER)?;
        left += high - found.offset().to_raw().filter(|offset| *offset >= 0).unwrap_or(low);
    }
    Ok(left)
}

fn committed(consumer: &BaseConsumer, topic: &str) -> KafkaResult<TopicPartitionList> {
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER)?;
    let mut list = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        list.add_partition(topic, partition.id());
    }
    consumer.committed_offsets(list, ANSWER)
}
