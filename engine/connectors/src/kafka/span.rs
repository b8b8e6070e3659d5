//! Reads stretches of a topic that are named beforehand, each from its first offset to its end: no group, no commits.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::Offset;
use thalweg_core::headers::Headers;

use super::client::{self, LastError};
use super::librdkafka;
use super::properties;
use super::settings::KafkaSettings;
use super::topics::TopicError;

/// A stretch whose records are there, and that yields nothing for so long, can't be read.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// What is fetched ahead of each partition: nobody waits for these records at a thousandth of a second.
const PREFETCH_KILOBYTES: u32 = 1_024;

/// A stretch of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The partition's number.
    pub partition: i32,
    /// The first offset.
    pub from: i64,
    /// One above the last.
    pub end: i64,
}

/// A record, copied out of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedRecord {
    /// The number of its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its timestamp, ms since 1970; -1: none.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers, in the encoding of [`Headers`].
    pub headers: Vec<u8>,
}

impl LoggedRecord {
    /// Its headers.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        Headers::new(&self.headers)
    }
}

/// What a look for the next record brings.
#[derive(Debug)]
pub enum Polled {
    /// A record.
    Record(LoggedRecord),
    /// None yet.
    Nothing,
    /// Every stretch is read.
    End,
}

/// Reads stretches; those of several partitions by turns.
pub struct SpanReader {
    consumer: BaseConsumer<LastError>,
    topic: String,
    brokers: String,
    /// By partition: where its stretch ends; those that are read are gone.
    ends: BTreeMap<i32, i64>,
    heard: Instant,
}

impl SpanReader {
    /// Begins at the first record of each stretch, at most one of each partition; empty ones are passed over.
    ///
    /// # Errors
    /// When a setting can't be, or the client can't be made of them.
    pub fn open(settings: &KafkaSettings, topic: &str, spans: &[Span]) -> Result<Self, TopicError> {
        let mut settings = settings.clone();
        settings.read.prefetch_kilobytes_per_partition = PREFETCH_KILOBYTES;
        // It is no member of the group.
        settings.group.instance_id = None;
        settings.check()?;
        let mut config = client::config(properties::of_consumer(&settings));
        // What ends a stretch may be the marker of a transaction, which is no record.
        config.set("enable.partition.eof", "true");
        let consumer: BaseConsumer<LastError> = config.create_with_context(LastError::default())?;
        let spans = || spans.iter().filter(|span| span.from < span.end);
        let mut assignment = TopicPartitionList::new();
        for span in spans() {
            assignment.add_partition_offset(topic, span.partition, Offset::Offset(span.from))?;
        }
        consumer.assign(&assignment)?;
        let ends = spans().map(|span| (span.partition, span.end)).collect();
        let (topic, brokers) = (topic.to_owned(), settings.brokers);
        Ok(Self { consumer, topic, brokers, ends, heard: Instant::now() })
    }

    /// The next record of any stretch; waits for `timeout` at most.
    ///
    /// # Errors
    /// When records went out of retention meanwhile, when they may not be read, or when no broker gives any for half a
    /// minute.
    pub fn poll(&mut self, timeout: Duration) -> Result<Polled, TopicError> {
        if self.ends.is_empty() {
            return Ok(Polled::End);
        }
        match self.consumer.poll(timeout) {
            Some(Ok(message)) => {
                let (partition, offset) = (message.partition(), message.offset());
                // A partition that is read yields what lies behind its stretch.
                let end = self.ends.get(&partition).copied();
                let record = end.filter(|end| offset < *end).map(|_| copy(&message));
                drop(message);
                self.heard = Instant::now();
                if end.is_some_and(|end| offset + 1 >= end) {
                    self.done_with(partition)?;
                }
                Ok(record.map_or(Polled::Nothing, Polled::Record))
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                self.heard = Instant::now();
                self.done_with(partition)?;
                Ok(Polled::Nothing)
            }
            Some(Err(error)) => self.failed(&error),
            None => self.still_silent("the brokers say nothing"),
        }
    }

    fn done_with(&mut self, partition: i32) -> Result<(), TopicError> {
        if self.ends.remove(&partition).is_some() {
            let mut read = TopicPartitionList::new();
            read.add_partition(&self.topic, partition);
            self.consumer.pause(&read)?;
        }
        Ok(())
    }

    fn failed(&self, error: &KafkaError) -> Result<Polled, TopicError> {
        use RDKafkaErrorCode as Code;
        let refused = |reason: String| TopicError::Refused { topic: self.topic.clone(), reason };
        match error {
            KafkaError::MessageConsumption(Code::AutoOffsetReset | Code::OffsetOutOfRange) => {
                Err(refused("records went out of retention while they were read; try again".to_owned()))
            }
            KafkaError::MessageConsumption(
                code @ (Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed),
            ) => Err(refused(code.to_string())),
            // The client tries again by itself; if that is in vain, silence ends it.
            error => self.still_silent(&error.to_string()),
        }
    }

    fn still_silent(&self, reason: &str) -> Result<Polled, TopicError> {
        if self.heard.elapsed() < SILENCE_MAX {
            return Ok(Polled::Nothing);
        }
        let reason = self.consumer.context().take().unwrap_or_else(|| reason.to_owned());
        Err(TopicError::Unreachable { brokers: self.brokers.clone(), reason })
    }
}

pub(super) fn copy(message: &BorrowedMessage<'_>) -> LoggedRecord {
    LoggedRecord {
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: librdkafka::headers_of_read(message),
    }
}
