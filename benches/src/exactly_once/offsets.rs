//! How far a group has come, and what readers of committed records may see of a topic.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message as _;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::reading::whole_topic;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Longest time without a record while a topic is read to its end.
const SILENT_MAX: Duration = Duration::from_secs(30);

/// Asks for the positions of a group.
pub(super) struct Group {
    client: BaseConsumer,
    topic: String,
    partitions: i32,
}

impl Group {
    pub(super) fn of(brokers: &str, group: &str, topic: &str, partitions: i32) -> Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("group.id", group);
        // What an open transaction would change is not waited for.
        config.set("isolation.level", "read_uncommitted").set("enable.auto.commit", "false");
        Ok(Self { client: config.create()?, topic: topic.to_owned(), partitions })
    }

    /// How many records of each partition it has committed.
    pub(super) fn committed(&self) -> Result<Vec<u64>> {
        let mut list = TopicPartitionList::new();
        for partition in 0..self.partitions {
            list.add_partition(&self.topic, partition);
        }
        let found = self.client.committed_offsets(list, ANSWER_WITHIN)?;
        let of = |partition| {
            let offset = found.find_partition(&self.topic, partition).map(|found| found.offset());
            match offset {
                Some(Offset::Offset(offset)) => u64::try_from(offset).unwrap_or_default(),
                _ => 0,
            }
        };
        Ok((0..self.partitions).map(of).collect())
    }
}

/// A reader of what is committed, at the topic's beginning.
pub(super) fn reader(brokers: &str, topic: &str, partitions: i32) -> Result<BaseConsumer> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "thalweg-bench-reads-alone");
    config.set("isolation.level", "read_committed").set("enable.auto.commit", "false");
    config.set("fetch.queue.backoff.ms", "5");
    let reader: BaseConsumer = config.create()?;
    reader.assign(&whole_topic(topic, partitions)?)?;
    Ok(reader)
}

/// Shows every committed record to `see`: key and value.
pub(super) fn read_to_end(
    brokers: &str,
    topic: &str,
    partitions: i32,
    mut see: impl FnMut(Option<&[u8]>, Option<&[u8]>),
) -> Result<()> {
    let reader = reader(brokers, topic, partitions)?;
    let ends: Vec<i64> = (0..partitions)
        .map(|partition| Ok(reader.fetch_watermarks(topic, partition, ANSWER_WITHIN)?.1))
        .collect::<Result<_>>()?;
    let mut heard = Instant::now();
    loop {
        match reader.poll(Duration::from_millis(100)) {
            Some(message) => {
                let message = message?;
                see(message.key(), message.payload());
                heard = Instant::now();
            }
            None if has_read(&reader, topic, &ends)? => return Ok(()),
            None if heard.elapsed() > SILENT_MAX => bail!("{topic} can't be read to its end"),
            None => {}
        }
    }
}

/// Whether everything below these ends was read.
fn has_read(reader: &BaseConsumer, topic: &str, ends: &[i64]) -> Result<bool> {
    let positions = reader.position()?;
    Ok(ends.iter().zip(0..).all(|(end, partition)| {
        let position = positions.find_partition(topic, partition).and_then(|found| found.offset().to_raw());
        *end == 0 || position.is_some_and(|position| position >= *end)
    }))
}
