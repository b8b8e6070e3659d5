//! A reader of what is committed, as it comes: what it sees goes to a judge, and how long it saw nothing is measured.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::message::Message;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::judge::Judge;

/// How long one look waits for a record.
const LOOK: Duration = Duration::from_millis(50);

/// Reads one topic from its beginning, all partitions.
pub struct Follower {
    consumer: BaseConsumer,
    topic: String,
    /// What came of it.
    pub judge: Judge,
    stalls: Stalls,
}

/// The longest times between two records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stalls {
    /// Of any partition.
    last: Option<Instant>,
    whole: Duration,
    /// Of each partition alone.
    last_of: Vec<Option<Instant>>,
    one: Duration,
}

impl Follower {
    /// Begins to read the topic, which has so many partitions.
    ///
    /// # Errors
    /// When the client can't.
    pub fn begin(config: &ClientConfig, topic: &str, partitions: i32, judge: Judge) -> KafkaResult<Self> {
        let consumer: BaseConsumer = config
            .clone()
            .set("group.id", "reads-alone")
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .create()?;
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&list)?;
        let last_of = vec![None; usize::try_from(partitions).unwrap_or_default()];
        let stalls = Stalls { last: None, whole: Duration::ZERO, last_of, one: Duration::ZERO };
        Ok(Self { consumer, topic: topic.to_owned(), judge, stalls })
    }

    /// Takes in the next record, if one comes soon.
    pub fn look(&mut self) {
        // The client tells of lost connections too, and comes back by itself.
        let Some(Ok(message)) = self.consumer.poll(LOOK) else { return };
        let place = (message.partition(), message.offset());
        self.judge.see(message.key(), message.payload(), place);
        self.stalls.note(message.partition(), Instant::now());
    }

    /// Whether everything below these ends was read.
    ///
    /// # Errors
    /// When the client can't say.
    pub fn has_read(&self, ends: &[i64]) -> KafkaResult<bool> {
        let positions = self.consumer.position()?;
        Ok(ends.iter().zip(0..).all(|(end, partition)| {
            let position = positions.find_partition(&self.topic, partition);
            let position = position.and_then(|found| found.offset().to_raw());
            *end == 0 || position.is_some_and(|position| position >= *end)
        }))
    }

    /// The longest time without a record of the whole topic, and of a partition.
    #[must_use]
    pub fn stalls(&self) -> (Duration, Duration) {
        (self.stalls.whole, self.stalls.one)
    }
}

impl Stalls {
    fn note(&mut self, partition: i32, now: Instant) {
        let since = |last: Option<Instant>| last.map_or(Duration::ZERO, |last| now - last);
        self.whole = self.whole.max(since(self.last.replace(now)));
        let of = usize::try_from(partition).ok().and_then(|index| self.last_of.get_mut(index));
        if let Some(last) = of {
            self.one = self.one.max(since(last.replace(now)));
        }
    }
}
