//! Where topics end, and how far a group has come.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::{ClientConfig, TopicPartitionList};

/// How long a broker may take for one answer.
pub const ANSWER: Duration = Duration::from_secs(10);

/// The ends of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// One above the newest record, committed or not.
    pub all: i64,
    /// Below it every transaction is decided.
    pub decided: i64,
}

/// Ends of the topic's partitions, in their order.
///
/// # Errors
/// When the brokers can't say.
pub fn ends(config: &ClientConfig, topic: &str, partitions: i32) -> KafkaResult<Vec<End>> {
    let client = |isolation: &str| -> KafkaResult<BaseConsumer> {
        config.clone().set("isolation.level", isolation).create()
    };
    let (all, decided) = (client("read_uncommitted")?, client("read_committed")?);
    let high = |client: &BaseConsumer, partition| client.fetch_watermarks(topic, partition, ANSWER);
    let end = |partition| Ok(End { decided: high(&decided, partition)?.1, all: high(&all, partition)?.1 });
    (0..partitions).map(end).collect()
}

/// How many offsets lie between what the group has committed and the ends.
///
/// # Errors
/// When the brokers can't say.
pub fn uncommitted(config: &ClientConfig, topic: &str, partitions: i32, group: &str) -> KafkaResult<i64> {
    let consumer: BaseConsumer = config.clone().set("group.id", group).create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition(topic, partition);
    }
    let mut left = 0;
    for found in consumer.committed_offsets(list, ANSWER)?.elements() {
        let (low, high) = consumer.fetch_watermarks(topic, found.partition(), ANSWER)?;
        left += high - found.offset().to_raw().filter(|offset| *offset >= 0).unwrap_or(low);
    }
    Ok(left)
}
