//! Reads whole topics: each partition from its beginning on, and then what comes. No group, no commits. Never waits, but
//! for the brokers' word on new partitions.
//!
//! Only what is committed is handed on.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::Offset;
use thalweg_core::batch::Batch;
use thalweg_core::position::{Epoch, PartitionId};

use super::client;
use super::event::SourceEvent;
use super::librdkafka::{PartitionQueue, Wake, positions};
use super::membership::{Membership, Notice};
use super::properties;
use super::reading::{Reader, Reading};
use super::settings::KafkaSettings;
use super::source::ConnectError;

/// Records of a batch at most, and bytes.
const BATCH_RECORDS_MAX: usize = 1_000;
const BATCH_BYTES_MAX: usize = 1 << 20;

/// How long brokers may take to say who leads new partitions.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Less read ahead than this, for one partition, would turn fetching into asking record by record.
const AHEAD_KILOBYTES_MIN: u32 = 16;

/// Partitions are never assigned anew.
const EPOCH: Epoch = Epoch(0);

/// The client's name for a group that it never joins, without which it takes no assignment.
const NO_GROUP: &str = "none";

/// See the module's text. Dropping it waits for the client's threads.
pub struct Follower {
    /// By the partition's number. Its queues go before its client.
    readings: Vec<Reading>,
    consumer: Arc<BaseConsumer<Membership>>,
    topic: String,
    wake: Wake,
    reader: Reader,
    /// The partition that is looked at first.
    turn: usize,
    events: Vec<SourceEvent>,
    warnings: Vec<String>,
}

impl Follower {
    /// Of that topic, which has so many partitions; of each all records that are there. `ahead_kilobytes` are read ahead,
    /// of all partitions together. `wake` is called whenever there may be something to read.
    ///
    /// # Errors
    /// When a setting can't be, or the client can't be made of them.
    pub fn open(
        settings: &KafkaSettings,
        (topic, partitions): (&str, u32),
        ahead_kilobytes: u32,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> Result<Self, ConnectError> {
        settings.check_connection()?;
        let mut settings = settings.clone();
        settings.read.prefetch_kilobytes_per_partition =
            (ahead_kilobytes / partitions.max(1)).max(AHEAD_KILOBYTES_MIN);
        settings.group.instance_id = None;
        if settings.group.id.is_empty() {
            NO_GROUP.clone_into(&mut settings.group.id);
        }
        let mut config = client::config(properties::of_consumer(&settings));
        // What ends a partition may be what compaction has emptied. It joins no group, so nothing pauses its partitions
        // (see `properties`).
        config.set("enable.partition.eof", "true");
        let mut consumer: BaseConsumer<Membership> = config.create_with_context(Membership::default())?;
        let on_event = Arc::clone(&wake);
        consumer.set_nonempty_callback(move || on_event());
        let mut follower = Self {
            readings: Vec::new(),
            consumer: Arc::new(consumer),
            topic: topic.to_owned(),
            wake,
            reader: Reader::new(),
            turn: 0,
            events: Vec::new(),
            warnings: Vec::new(),
        };
        follower.assign(partitions)?;
        Ok(follower)
    }

    /// How many partitions are read.
    #[must_use]
    pub fn partitions(&self) -> u32 {
        u32::try_from(self.readings.len()).unwrap_or(u32::MAX)
    }

    /// Reads so many partitions from now on, those that have come newly from their beginning.
    ///
    /// # Errors
    /// When no broker answers, or the client can't.
    pub fn widen(&mut self, partitions: u32) -> Result<(), ConnectError> {
        // The client looks for new partitions every five minutes, and until then takes them for unknown.
        self.consumer.fetch_metadata(Some(&self.topic), ANSWER_TIMEOUT)?;
        self.assign(partitions)
    }

    fn assign(&mut self, partitions: u32) -> Result<(), ConnectError> {
        let numbers = i32::try_from(self.readings.len()).unwrap_or(i32::MAX)
            ..i32::try_from(partitions).unwrap_or(i32::MAX);
        if numbers.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::with_capacity(numbers.len());
        for number in numbers {
            list.add_partition_offset(&self.topic, number, Offset::Beginning)?;
            let queue = PartitionQueue::split(&self.consumer, &self.topic, number, Arc::clone(&self.wake))
                .ok_or_else(|| KafkaError::Subscription(self.topic.clone()))?;
            self.readings.push(Reading::new(EPOCH, queue, 0));
        }
        self.consumer.incremental_assign(&list)?;
        Ok(())
    }

    /// Fills `batch` with what is there of one partition, whose number is that of the batch; all of them by turns. After a
    /// wake-up, until there is nothing.
    ///
    /// # Errors
    /// When records can't be read, with the reason: it can't go on.
    pub fn read(&mut self, batch: &mut Batch) -> Result<usize, String> {
        self.hear();
        for _ in 0..self.readings.len() {
            let number = self.turn;
            self.turn = (number + 1) % self.readings.len();
            let (reader, events) = (&mut self.reader, &mut self.events);
            let id = PartitionId(u32::try_from(number).unwrap_or(u32::MAX));
            let read =
                self.readings[number].read(id, reader, batch, (BATCH_RECORDS_MAX, BATCH_BYTES_MAX), events);
            for event in self.events.drain(..) {
                match event {
                    SourceEvent::PartitionFailed { reason, .. }
                    | SourceEvent::OffsetOutOfRange { reason, .. } => {
                        return Err(format!("records of {}/{number} can't be read: {reason}", self.topic));
                    }
                    SourceEvent::Warning(text) => self.warnings.push(text),
                    _ => {}
                }
            }
            if read > 0 {
                return Ok(read);
            }
        }
        Ok(0)
    }

    /// What is wrong and tried again: what was said of it since the last call.
    pub fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// How far each partition was read: the next offset, behind markers of transactions.
    #[must_use]
    pub fn positions(&self) -> Vec<i64> {
        let mut list = TopicPartitionList::with_capacity(self.readings.len());
        for number in 0..self.readings.len() {
            list.add_partition(&self.topic, i32::try_from(number).unwrap_or(i32::MAX));
        }
        let of_client = positions(self.consumer.client(), &mut list);
        self.readings.iter().zip(of_client).map(|(reading, position)| reading.position(position)).collect()
    }

    /// Records come by the partitions' queues; this serves what the client has to say.
    fn hear(&mut self) {
        let _ = self.consumer.poll(Duration::ZERO);
        for notice in self.consumer.context().take() {
            if let Notice::Error { text, .. } = notice {
                self.warnings.push(text);
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.readings.clear();
        // Else closing would wait for an answer to what it takes away.
        self.consumer.context().close();
    }
}
