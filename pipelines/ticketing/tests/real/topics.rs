//! What readers of committed records find on topics.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::Value;
use thalweg_testbed::instance::PATIENCE;

/// How long a broker may take for one answer.
const ANSWER: Duration = Duration::from_secs(10);

fn config(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    config
}

/// Names of the topics that begin so.
pub(crate) fn names(brokers: &str, prefix: &str) -> Vec<String> {
    let consumer: BaseConsumer = config(brokers).create().unwrap();
    let found = consumer.fetch_metadata(None, ANSWER).unwrap();
    found
        .topics()
        .iter()
        .map(|topic| topic.name().to_owned())
        .filter(|name| name.starts_with(prefix))
        .collect()
}

/// Removes the topics that begin so.
pub(crate) fn delete(brokers: &str, prefix: &str) {
    let names = names(brokers, prefix);
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let admin: AdminClient<DefaultClientContext> = config(brokers).create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let quick = AdminOptions::new().request_timeout(Some(ANSWER));
    let _ = runtime.block_on(admin.delete_topics(&names, &quick));
}

/// The values of everything that is committed on a topic, in the order of each partition; nothing while there is no topic.
pub(crate) fn read_committed(brokers: &str, topic: &str) -> Vec<Value> {
    let consumer: BaseConsumer = config(brokers)
        .set("group.id", "reads-alone")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER).unwrap();
    let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    let mut found = Vec::new();
    for partition in 0..partitions as i32 {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
        loop {
            match consumer.poll(PATIENCE).expect("a broker answers") {
                Ok(message) => found.push(serde_json::from_slice(message.payload().unwrap()).unwrap()),
                Err(rdkafka::error::KafkaError::PartitionEOF(_)) => break,
                // The client comes back by itself.
                Err(_) => {}
            }
        }
    }
    found
}
