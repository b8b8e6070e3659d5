//! Reads what comes newly to one partition: no group, no commits, nothing of what was there before.

use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::Offset;

use super::client::{self, LastError};
use super::properties;
use super::settings::KafkaSettings;
use super::span::{self, LoggedRecord};
use super::topics::TopicError;

/// What is fetched ahead: records are taken as they come.
const PREFETCH_KILOBYTES: u32 = 1_024;

/// See the module's text. Only what is committed is read.
pub struct Tail {
    consumer: BaseConsumer<LastError>,
}

impl Tail {
    /// Begins at that offset, which should be one above the newest record: then nothing is missed that is written after
    /// it was asked for. Does not wait for brokers.
    ///
    /// # Errors
    /// When a setting can't be, or the client can't be made of them.
    pub fn open(
        settings: &KafkaSettings,
        topic: &str,
        partition: u32,
        offset: i64,
    ) -> Result<Self, TopicError> {
        let mut settings = settings.clone();
        settings.read.prefetch_kilobytes_per_partition = PREFETCH_KILOBYTES;
        // It is no member of the group.
        settings.group.instance_id = None;
        settings.check()?;
        let mut config = client::config(properties::of_consumer(&settings));
        // Whoever was cut off for longer than the topic keeps its records has missed them, and goes on with what is new.
        config.set("auto.offset.reset", "latest");
        let consumer: BaseConsumer<LastError> = config.create_with_context(LastError::default())?;
        let mut assignment = TopicPartitionList::with_capacity(1);
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        assignment.add_partition_offset(topic, number, Offset::Offset(offset))?;
        consumer.assign(&assignment)?;
        Ok(Self { consumer })
    }

    /// The next record; waits for `timeout` at most.
    ///
    /// # Errors
    /// What is wrong; the client tries again by itself.
    pub fn poll(&self, timeout: Duration) -> Result<Option<LoggedRecord>, String> {
        match self.consumer.poll(timeout) {
            None => Ok(None),
            Some(Ok(message)) => Ok(Some(span::copy(&message))),
            Some(Err(error)) => Err(self.consumer.context().take().unwrap_or_else(|| error.to_string())),
        }
    }
}
