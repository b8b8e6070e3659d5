//! The topics, as readers of committed records see them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use ticketing_audit::Record;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long one look waits for a record.
const LOOK: Duration = Duration::from_millis(100);

/// Longest time for which the end of what is committed stays out of reach: longer than any transaction may take.
const REACH_WITHIN: Duration = Duration::from_secs(60);

/// A reader of all of them, from their beginning.
pub(crate) struct Topics {
    reader: BaseConsumer,
    /// Knows the ends for those who read everything, so that what an open transaction holds back is not taken for the end.
    ends: BaseConsumer,
    /// Every partition, by topic.
    partitions: Vec<(String, i32)>,
}

impl Topics {
    pub(crate) fn open(brokers: &str, names: &[String]) -> Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("group.id", "ticketing-audit");
        config.set("isolation.level", "read_committed").set("enable.auto.commit", "false");
        let reader: BaseConsumer = config.create()?;
        config.set("isolation.level", "read_uncommitted");
        let ends: BaseConsumer = config.create()?;
        let (mut partitions, mut list) = (Vec::new(), TopicPartitionList::new());
        for name in names {
            let metadata = reader.fetch_metadata(Some(name), ANSWER_WITHIN).context("no broker answers")?;
            let found = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
            if found == 0 {
                bail!("there is no topic {name}");
            }
            for partition in 0..i32::try_from(found)? {
                list.add_partition_offset(name, partition, Offset::Beginning)?;
                partitions.push((name.clone(), partition));
            }
        }
        reader.assign(&list)?;
        Ok(Self { reader, ends, partitions })
    }

    /// Reads on until nothing has come for so long, and nothing is left.
    pub(crate) fn read_until_quiet(&mut self, records: &mut Vec<Record>, quiet: Duration) -> Result<()> {
        let mut heard = Instant::now();
        loop {
            if let Some(message) = self.reader.poll(LOOK) {
                let message = message?;
                let text =
                    |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
                records.push(Record {
                    timestamp_ms: message.timestamp().to_millis().context("a record has no time")?,
                    key: text(message.key()),
                    value: text(message.payload()),
                });
                heard = Instant::now();
            } else if heard.elapsed() > quiet && self.is_at_the_end()? {
                return Ok(());
            } else if heard.elapsed() > quiet + REACH_WITHIN {
                bail!(
                    "the topics can't be read to their end: a transaction is open, or a partition has no leader"
                );
            }
        }
    }

    /// Whether everything was read, and no transaction is open: what it has written may still count.
    fn is_at_the_end(&self) -> Result<bool> {
        let positions = self.reader.position()?;
        for (topic, partition) in &self.partitions {
            let (_, end) = self.ends.fetch_watermarks(topic, *partition, ANSWER_WITHIN)?;
            let position =
                positions.find_partition(topic, *partition).and_then(|found| found.offset().to_raw());
            if end > 0 && position.is_none_or(|position| position < end) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
