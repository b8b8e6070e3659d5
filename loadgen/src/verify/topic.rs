//! Reads a topic once, from its first record to what was its last one when reading began.

use super::reader::Record;
use super::reason::Position;
use crate::brokers::Brokers;
use crate::fingerprint::{MESSAGE_ID, fingerprint};
use anyhow::{Context, Result, bail};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A broker that doesn't answer within this is taken for unreachable.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// A partition that yields nothing for so long, although it has more, is taken for broken.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// The header that says how often a dead letter was replayed.
const REPLAY_COUNT: &str = "dlq.replay_count";
const POLL: Duration = Duration::from_millis(100);

/// The records of a topic, as they were when it was opened.
pub struct Topic {
    consumer: BaseConsumer,
    name: String,
    /// First offset and end of each partition.
    bounds: BTreeMap<i32, (i64, i64)>,
}

impl Topic {
    /// Looks up where the topic begins and ends; none: there is no such topic.
    ///
    /// # Errors
    /// When no broker answers.
    pub fn open(brokers: &Brokers, name: &str) -> Result<Option<Self>> {
        let consumer: BaseConsumer = brokers
            .config(&[
                // Needed by the client; nothing is committed.
                ("group.id", "verify"),
                ("enable.auto.commit", "false"),
                ("auto.offset.reset", "error"),
                ("enable.partition.eof", "true"),
                ("check.crcs", "true"),
                // Per partition: with 64 partitions 512 MB at the very most.
                ("queued.max.messages.kbytes", "8192"),
                // The default, a second, is how long a partition whose queue is full would not be asked again.
                ("fetch.queue.backoff.ms", "5"),
            ])
            .create()?;
        let metadata = consumer
            .fetch_metadata(Some(name), ANSWER_WITHIN)
            .with_context(|| format!("no broker answered at {}", brokers.brokers))?;
        let partitions: Vec<i32> = metadata
            .topics()
            .iter()
            .flat_map(|topic| topic.partitions())
            .map(rdkafka::metadata::MetadataPartition::id)
            .collect();
        if partitions.is_empty() {
            return Ok(None);
        }
        let mut bounds = BTreeMap::new();
        for partition in partitions {
            let range = consumer
                .fetch_watermarks(name, partition, ANSWER_WITHIN)
                .with_context(|| format!("can't look up the ends of {name}/{partition}"))?;
            bounds.insert(partition, range);
        }
        Ok(Some(Self { consumer, name: name.to_owned(), bounds }))
    }

    /// How many offsets there are; with gaps, more than records.
    #[must_use]
    pub fn offsets(&self) -> u64 {
        self.bounds.values().map(|(low, high)| high.saturating_sub(*low).max(0).unsigned_abs()).sum()
    }

    /// Partitions whose first records are gone, with the first offset that is left.
    #[must_use]
    pub fn cut_off(&self) -> Vec<Position> {
        let cut = |(partition, (low, _)): (&i32, &(i64, i64))| (*low > 0).then(|| position(*partition, *low));
        self.bounds.iter().filter_map(cut).collect()
    }

    /// Shows every record, each partition's in order.
    ///
    /// # Errors
    /// When the topic can't be read to its end.
    pub fn each(self, mut visit: impl FnMut(Position, &BorrowedMessage<'_>)) -> Result<()> {
        let Self { consumer, name, mut bounds } = self;
        bounds.retain(|_, (low, high)| low < high);
        let mut assignment = TopicPartitionList::new();
        for (partition, (low, _)) in &bounds {
            assignment.add_partition_offset(&name, *partition, Offset::Offset(*low))?;
        }
        consumer.assign(&assignment)?;
        let mut heard = Instant::now();
        while !bounds.is_empty() {
            match consumer.poll(POLL) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    let (partition, offset) = (message.partition(), message.offset());
                    // A partition that is done with yields what was written since.
                    let Some((_, end)) = bounds.get(&partition).copied() else { continue };
                    if offset < end {
                        visit(position(partition, offset), &message);
                    }
                    if offset + 1 >= end {
                        bounds.remove(&partition);
                    }
                }
                // The end may be a transaction's marker, which is no record.
                Some(Err(KafkaError::PartitionEOF(partition))) => drop(bounds.remove(&partition)),
                Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset))) => {
                    bail!("records of {name} went out of retention while they were read")
                }
                // The client tries again by itself; if that is in vain, silence ends it.
                Some(Err(_)) | None => {}
            }
            if heard.elapsed() > SILENCE_MAX {
                let left: Vec<i32> = bounds.into_keys().collect();
                bail!("partitions {left:?} of {name} have yielded nothing for {SILENCE_MAX:?}");
            }
        }
        Ok(())
    }
}

fn position(partition: i32, offset: i64) -> Position {
    // Neither is negative for a record.
    Position { partition: partition.unsigned_abs(), offset: offset.unsigned_abs() }
}

/// The value of a header, the last one of that name, as Kafka's clients have it; a null one is none.
pub fn header<'a>(message: &'a BorrowedMessage<'_>, name: &str) -> Option<&'a [u8]> {
    message.headers()?.iter().filter(|header| header.key == name).last().and_then(|header| header.value)
}

/// The record as the reader needs it.
#[must_use]
pub fn record<'a>(message: &'a BorrowedMessage<'_>) -> Record<'a> {
    let message_id = header(message, MESSAGE_ID);
    let (key, value) = (message.key(), message.payload());
    let fingerprint = fingerprint(key, value, message_id);
    Record { key, value, message_id, replay_count: header(message, REPLAY_COUNT), fingerprint }
}
