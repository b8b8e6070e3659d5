//! Reads the services' events as they are committed, for the page, and in a demo that ends for the auditor.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use thalweg::demo::Place;
use ticketing_audit::Record;

use super::Shared;
use crate::events;
use crate::programs::TicketingProgram;

const POLL: Duration = Duration::from_millis(50);

/// How long the broker, which is in this process, may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long the end of the topics may stay out of reach.
const END_WITHIN: Duration = Duration::from_secs(30);

/// The reader, connected.
pub(super) struct Reader {
    consumer: BaseConsumer,
    partitions: Vec<(String, i32)>,
    shared: Arc<Shared>,
}

impl Reader {
    pub(super) fn connect(
        settings: &TicketingProgram,
        place: &Place,
        shared: Arc<Shared>,
    ) -> Result<Self, String> {
        let failed = |error: rdkafka::error::KafkaError| format!("the demo can't read: {error}");
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &place.at.brokers);
        // Needed by the client; nothing is committed.
        config.set("group.id", "demo-reader").set("enable.auto.commit", "false");
        config.set("isolation.level", "read_committed").set("auto.offset.reset", "error");
        config.set("fetch.wait.max.ms", "10");
        let consumer: BaseConsumer = config.create().map_err(failed)?;
        let topics = &settings.topics;
        let (mut partitions, mut all) = (Vec::new(), TopicPartitionList::new());
        for topic in [&topics.tickets, &topics.orders, &topics.payments, &topics.expiration] {
            let found = consumer.fetch_metadata(Some(topic), ANSWER_WITHIN).map_err(failed)?;
            let found = found.topics().first().map_or(0, |topic| topic.partitions().len());
            for partition in 0..i32::try_from(found).unwrap_or(i32::MAX) {
                all.add_partition_offset(topic, partition, Offset::Beginning).map_err(failed)?;
                partitions.push((topic.clone(), partition));
            }
        }
        consumer.assign(&all).map_err(failed)?;
        Ok(Self { consumer, partitions, shared })
    }

    /// Reads until everything is settled and read; answers the records if they are to be kept.
    pub(super) fn run(self, keeps: bool) -> Result<Vec<Record>, String> {
        let (mut records, mut settled) = (Vec::new(), None);
        loop {
            // After an error the client tries again by itself; if that is in vain, the end is not reached.
            if let Some(Ok(message)) = self.consumer.poll(POLL) {
                let record = self.take(&message);
                records.extend(keeps.then_some(record));
                continue;
            }
            if !self.shared.settled.load(Ordering::Acquire) {
                continue;
            }
            if self.is_at_the_end() {
                return Ok(records);
            }
            if settled.get_or_insert_with(Instant::now).elapsed() > END_WITHIN {
                return Err("the events can't be read to their end".to_owned());
            }
        }
    }

    fn take(&self, message: &BorrowedMessage<'_>) -> Record {
        *self.shared.heard.lock() = Instant::now();
        let timestamp_ms = message.timestamp().to_millis().unwrap_or_default();
        if let Ok(event) = events::read(message.key(), message.payload()) {
            self.shared.scene.lock().take(event, timestamp_ms);
        }
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        Record { timestamp_ms, key: text(message.key()), value: text(message.payload()) }
    }

    fn is_at_the_end(&self) -> bool {
        let Ok(positions) = self.consumer.position() else { return false };
        self.partitions.iter().all(|(topic, partition)| {
            let Ok((_, end)) = self.consumer.fetch_watermarks(topic, *partition, ANSWER_WITHIN) else {
                return false;
            };
            let position =
                positions.find_partition(topic, *partition).and_then(|found| found.offset().to_raw());
            // Of what is empty there is no position.
            end == 0 || position.is_some_and(|position| position >= end)
        })
    }
}
