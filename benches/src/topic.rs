//! What a topic holds.

use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How many records the topic holds; `None`: there is no such topic.
pub(crate) fn held(brokers: &str, topic: &str) -> Result<Option<u64>> {
    let client: BaseConsumer = ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    let metadata = client.fetch_metadata(Some(topic), ANSWER_WITHIN).context("no broker answers")?;
    let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    if partitions == 0 {
        return Ok(None);
    }
    let mut sum = 0;
    for partition in 0..i32::try_from(partitions)? {
        let (low, high) = client.fetch_watermarks(topic, partition, ANSWER_WITHIN)?;
        sum += u64::try_from(high - low)?;
    }
    Ok(Some(sum))
}
