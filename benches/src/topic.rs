//! What a topic holds; making and filling it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long the last records may take to be acknowledged.
const FLUSH_WITHIN: Duration = Duration::from_secs(60);

/// How many records the topic holds; `None`: there is no such topic.
pub(crate) fn held(brokers: &str, topic: &str) -> Result<Option<u64>> {
    let client: BaseConsumer = client(brokers).create()?;
    let partitions = partitions_of(&client, topic)?;
    if partitions == 0 {
        return Ok(None);
    }
    let mut sum = 0;
    for partition in 0..partitions {
        let (low, high) = client.fetch_watermarks(topic, partition, ANSWER_WITHIN)?;
        sum += u64::try_from(high - low)?;
    }
    Ok(Some(sum))
}

/// Reads so many records of the topic once, so that the broker has them in memory: a system may give back the memory of
/// files that were left alone for a minute, and then the first to read them would be the one to wait for the disk.
pub(crate) fn warm(brokers: &str, topic: &str, records: u64) -> Result<()> {
    let mut config = client(brokers);
    config.set("group.id", "thalweg-bench-warming").set("enable.auto.commit", "false");
    let reader: BaseConsumer = config.create()?;
    let mut all = TopicPartitionList::new();
    for partition in 0..partitions_of(&reader, topic)? {
        all.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    reader.assign(&all)?;
    for _ in 0..records {
        let Some(message) = reader.poll(ANSWER_WITHIN) else {
            bail!("topic {topic} can't be read to its end")
        };
        message.with_context(|| format!("reading topic {topic}"))?;
    }
    Ok(())
}

/// How many partitions the topic has; 0: there is no such topic.
pub(crate) fn partitions(brokers: &str, topic: &str) -> Result<i32> {
    partitions_of(&client(brokers).create()?, topic)
}

fn partitions_of(client: &BaseConsumer, topic: &str) -> Result<i32> {
    let metadata = client.fetch_metadata(Some(topic), ANSWER_WITHIN).context("no broker answers")?;
    Ok(i32::try_from(metadata.topics().first().map_or(0, |topic| topic.partitions().len()))?)
}

fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    config
}

/// Makes a topic that keeps its records for a week, unless it is there.
pub(crate) fn make(brokers: &str, topic: &str, partitions: i32) -> Result<()> {
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1)).set("retention.ms", "604800000");
    let answers = administer(brokers, async |admin, options| admin.create_topics([&new], options).await);
    for answer in answers.with_context(|| format!("can't make topic {topic} at {brokers}"))? {
        match answer {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => bail!("can't make topic {topic} at {brokers}: {code}"),
        }
    }
    Ok(())
}

/// Deletes topics; one that is not there is no matter.
pub(crate) fn delete(brokers: &str, topics: &[&str]) -> Result<()> {
    let answers = administer(brokers, async |admin, options| admin.delete_topics(topics, options).await);
    for answer in answers.with_context(|| format!("can't delete topics at {brokers}"))? {
        match answer {
            Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
            Err((topic, code)) => bail!("can't delete topic {topic} at {brokers}: {code}"),
        }
    }
    Ok(())
}

fn administer<T>(
    brokers: &str,
    ask: impl AsyncFnOnce(&AdminClient<DefaultClientContext>, &AdminOptions) -> Result<T, KafkaError>,
) -> Result<T> {
    let admin = client(brokers).create()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let options = AdminOptions::new().operation_timeout(Some(ANSWER_WITHIN));
    Ok(runtime.block_on(ask(&admin, &options))?)
}

/// Writes records, with lz4, as fast as the broker takes them.
pub(crate) struct Filler {
    producer: BaseProducer,
}

impl Filler {
    pub(crate) fn new(brokers: &str) -> Result<Self> {
        Ok(Self { producer: Self::config(brokers).create()? })
    }

    /// One that places keys as the Java client does, and the engine.
    pub(crate) fn placing_keys(brokers: &str) -> Result<Self> {
        let mut config = Self::config(brokers);
        config.set("partitioner", "murmur2_random");
        Ok(Self { producer: config.create()? })
    }

    fn config(brokers: &str) -> ClientConfig {
        let mut config = client(brokers);
        config.set("compression.type", "lz4").set("enable.idempotence", "true").set("linger.ms", "50");
        config
    }

    /// Waits while the client's queue is full.
    pub(crate) fn send(&mut self, record: BaseRecord<'_, [u8], [u8]>) -> Result<()> {
        let mut unsent = record;
        loop {
            match self.producer.send(unsent) {
                Ok(()) => {
                    self.producer.poll(Duration::ZERO);
                    return Ok(());
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), record)) => {
                    unsent = record;
                    self.producer.poll(Duration::from_millis(20));
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }

    /// Waits for all to be acknowledged.
    pub(crate) fn finish(self) -> Result<()> {
        Ok(self.producer.flush(FLUSH_WITHIN)?)
    }
}
