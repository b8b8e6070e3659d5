//! The bare loop of `BaseConsumer::poll`: what most programs in Rust do.

use std::time::Duration;

use anyhow::{Result, bail};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use thalweg_connectors::kafka::properties;

use super::arm::{ArmSettings, Done};
use super::records::PARTITIONS;

/// Longer than the client ever lets us wait.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// Reads the whole topic.
pub(super) fn read(settings: &ArmSettings, ended: &mut dyn FnMut()) -> Result<Done> {
    let mut config = ClientConfig::new();
    for (name, value) in properties::of_consumer(&settings.kafka()) {
        config.set(name, value);
    }
    let consumer: BaseConsumer = config.create()?;
    consumer.assign(&whole_topic(&settings.topic(), PARTITIONS)?)?;
    let headers = settings.case.reads_headers();
    let mut done = Done::default();
    while done.touched.records < settings.records {
        let Some(message) = consumer.poll(POLL_TIMEOUT) else {
            done.waits += 1;
            continue;
        };
        let message = message?;
        let mut record = done.touched.record(message.partition(), message.offset());
        record.field(message.key().unwrap_or_default());
        record.field(message.payload().unwrap_or_default());
        if headers {
            let Some(headers) = message.headers() else { bail!("a record has no headers") };
            for header in headers.iter() {
                record.field(header.key.as_bytes());
                record.field(header.value.unwrap_or_default());
            }
        }
        record.done();
        done.batches += 1;
    }
    ended();
    Ok(done)
}

/// Every partition, from its beginning.
pub(crate) fn whole_topic(topic: &str, partitions: i32) -> Result<TopicPartitionList> {
    let mut all = TopicPartitionList::new();
    for partition in 0..partitions {
        all.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    Ok(all)
}
