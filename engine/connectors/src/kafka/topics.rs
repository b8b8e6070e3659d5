//! Looking after topics: what they are, and making the one for dead letters. Blocking; for the start of a flow.

use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::Offset;

use super::client::{self, LastError};
use super::librdkafka::{self, Committed};
use super::properties;
use super::settings::{KafkaSettings, SettingError};

/// Between two attempts at what will be possible soon.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// A topic as its cluster has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    /// The topic's id: differs when a topic of the same name was made anew. 32 hexadecimal digits.
    pub id: String,
    /// How many partitions it has.
    pub partitions: u32,
}

/// Why a topic can't be described or made.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// A setting can't be.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The client library refused.
    #[error("the Kafka client can't be made: {0}")]
    Client(#[from] KafkaError),
    /// No broker answered.
    #[error("no Kafka broker answers at {brokers}: {reason}")]
    Unreachable {
        /// The addresses tried first.
        brokers: String,
        /// What went wrong last.
        reason: String,
    },
    /// There is no such topic.
    #[error("the topic {topic} does not exist; create it, or correct the name")]
    Missing {
        /// Its name.
        topic: String,
    },
    /// The topic has another shape than it must have.
    #[error(
        "the topic {topic} has {partitions} partitions but needs at least {needed}; add partitions to it"
    )]
    TooFewPartitions {
        /// Its name.
        topic: String,
        /// How many it has.
        partitions: u32,
        /// How many it must have.
        needed: u32,
    },
    /// State can't be kept in the topic.
    #[error("the topic {topic} can't be this flow's changelog: {reason}")]
    UnfitChangelog {
        /// Its name.
        topic: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The topic loses records that are the latest of their key.
    #[error(
        "the topic {topic} has the cleanup.policy {policy:?}, so that things would vanish from it; it must be \"compact\""
    )]
    NotCompacted {
        /// Its name.
        topic: String,
        /// What it has.
        policy: String,
    },
    /// The cluster refused.
    #[error("the topic {topic}: {reason}")]
    Refused {
        /// Its name.
        topic: String,
        /// What the cluster says.
        reason: String,
    },
}

/// What a topic that is to be made should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicShape {
    /// How many partitions.
    pub partitions: u32,
    /// What is kept.
    pub kept: Kept,
    /// The largest record batch taken; `None`: what the brokers are set to.
    pub record_bytes_max: Option<u32>,
    /// How many brokers keep each partition; `None`: what the brokers are set to.
    pub replicas: Option<u16>,
}

/// Which records a topic keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// All, for so many ms.
    For(u64),
    /// The latest of each key.
    Latest,
}

/// The group's coordinator is not known yet, as in a cluster that has just begun to have groups.
fn is_settling(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{CoordinatorLoadInProgress, CoordinatorNotAvailable, NotCoordinator};
    let settling = [CoordinatorLoadInProgress, CoordinatorNotAvailable, NotCoordinator];
    error.rdkafka_error_code().is_some_and(|code| settling.contains(&code))
}

/// A connection for looking after topics.
pub struct Topics {
    client: BaseConsumer<LastError>,
    settings: KafkaSettings,
    timeout: Duration,
}

impl Topics {
    /// Makes the connection; nothing is sent before the first question. Each question waits for `timeout` at most.
    ///
    /// # Errors
    /// When a setting can't be, or the client can't be made of them.
    pub fn connect(settings: &KafkaSettings, timeout: Duration) -> Result<Self, TopicError> {
        settings.check()?;
        let config = client::config(properties::of_admin(settings));
        let client = config.create_with_context(LastError::default())?;
        Ok(Self { client, settings: settings.clone(), timeout })
    }

    /// What the topic is.
    ///
    /// # Errors
    /// When no broker answers, when there is no such topic, or when it may not be seen.
    pub fn describe(&self, topic: &str) -> Result<TopicDescription, TopicError> {
        let begun = Instant::now();
        let broker = self.a_broker(topic)?;
        let left = self.timeout.saturating_sub(begun.elapsed());
        match librdkafka::describe_topic(self.client.client(), broker, topic, left) {
            Ok(([most, least], partitions)) => Ok(TopicDescription {
                id: format!("{most:016x}{least:016x}"),
                partitions: u32::try_from(partitions).unwrap_or(u32::MAX),
            }),
            Err((code, reason)) => Err(self.failure(topic, code, reason)),
        }
    }

    /// The number of a broker, for questions that would go to the controller by themselves, although every broker knows the
    /// answer: the embedded broker names a controller that there is not, and the client waits for it.
    pub(super) fn a_broker(&self, topic: &str) -> Result<i32, TopicError> {
        let found = self.client.client().fetch_metadata(Some(topic), self.timeout);
        let found = found.map_err(|error| self.failed(topic, &error))?;
        // -1: the one that has answered has not said who it is yet.
        let known = found.brokers().first().map_or(-1, |broker| broker.id());
        Ok(if found.orig_broker_id() < 0 { known } else { found.orig_broker_id() })
    }

    /// One above the newest record of the partition.
    ///
    /// # Errors
    /// As [`Topics::describe`].
    pub fn end_of(&self, topic: &str, partition: u32) -> Result<i64, TopicError> {
        self.bounds_of(topic, partition).map(|(_, high)| high)
    }

    /// The oldest offset of the partition, and one above the newest.
    ///
    /// # Errors
    /// As [`Topics::describe`].
    pub fn bounds_of(&self, topic: &str, partition: u32) -> Result<(i64, i64), TopicError> {
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        let found = self.client.fetch_watermarks(topic, number, self.timeout);
        found.map_err(|error| self.failed(topic, &error))
    }

    /// One above the newest record of each of the topic's first partitions, committed or not. Partitions that are new are
    /// known after [`Topics::describe`] has counted them.
    ///
    /// # Errors
    /// As [`Topics::describe`].
    pub fn ends_of(&self, topic: &str, partitions: u32) -> Result<Vec<i64>, TopicError> {
        let numbers = 0..i32::try_from(partitions).unwrap_or(i32::MAX);
        let found = librdkafka::high_watermarks(self.client.client(), topic, numbers, self.timeout);
        found.map_err(|(code, reason)| self.failure(topic, code, reason))
    }

    /// What the settings' group has committed for each partition of the topic: the next offset and what was remembered
    /// with it. Transactions that are just being ended are waited for.
    ///
    /// # Errors
    /// As [`Topics::describe`], and when the group may not be looked at.
    pub fn committed(&self, topic: &str, partitions: u32) -> Result<Vec<Option<(i64, String)>>, TopicError> {
        let mut config = client::config(properties::of_admin(&self.settings));
        config.set("group.id", &self.settings.group.id);
        let client: BaseConsumer<LastError> = config.create_with_context(LastError::default())?;
        let numbers = 0..i32::try_from(partitions).unwrap_or(i32::MAX);
        let begun = Instant::now();
        loop {
            let mut list = TopicPartitionList::with_capacity(partitions as usize);
            for number in numbers.clone() {
                list.add_partition(topic, number);
            }
            let found = client.committed_offsets(list, self.timeout);
            if found.as_ref().is_err_and(is_settling) && begun.elapsed() < self.timeout {
                std::thread::sleep(RETRY_PAUSE);
                continue;
            }
            let found = librdkafka::committed_of(&found.map_err(|error| self.failed(topic, &error))?);
            let wrong = found.iter().map(|committed| committed.error_code).find(|code| *code != 0);
            match wrong {
                None => {
                    let of = |number| found.iter().find(|committed| committed.partition == number);
                    let said = |committed: &Committed| (committed.offset, committed.metadata.clone());
                    return Ok(numbers
                        .map(|number| of(number).filter(|committed| committed.offset >= 0).map(said))
                        .collect());
                }
                Some(code)
                    if code == RDKafkaErrorCode::UnstableOffsetCommit as i32
                        && begun.elapsed() < self.timeout =>
                {
                    std::thread::sleep(RETRY_PAUSE);
                }
                Some(code) => {
                    let reason = format!("its committed offsets can't be read (code {code})");
                    return Err(self.failure(topic, code, reason));
                }
            }
        }
    }

    /// Sets what the group has committed for every partition of the topic to the oldest record there is. A group with
    /// members is not interfered with: it is waited for, `patience` long, to become empty.
    ///
    /// # Errors
    /// As [`Topics::describe`], and when the group has members still.
    pub fn begin_again(&self, topic: &str, partitions: u32, patience: Duration) -> Result<(), TopicError> {
        let mut config = client::config(properties::of_admin(&self.settings));
        config.set("group.id", &self.settings.group.id);
        let client: BaseConsumer<LastError> = config.create_with_context(LastError::default())?;
        let failed = |error: KafkaError| self.failed(topic, &error);
        let mut beginning = TopicPartitionList::with_capacity(partitions as usize);
        for number in 0..i32::try_from(partitions).unwrap_or(i32::MAX) {
            let (low, _) = client.fetch_watermarks(topic, number, self.timeout).map_err(failed)?;
            beginning.add_partition_offset(topic, number, Offset::Offset(low)).map_err(failed)?;
        }
        let begun = Instant::now();
        loop {
            match client.commit(&beginning, CommitMode::Sync) {
                Ok(()) => return Ok(()),
                Err(error) if begun.elapsed() >= patience => return Err(failed(error)),
                Err(_) => std::thread::sleep(RETRY_PAUSE),
            }
        }
    }

    /// Makes the topic when there is none; one that is there must have at least as many partitions, and is otherwise
    /// left as it is.
    ///
    /// # Errors
    /// As [`Topics::describe`], and when the cluster does not make it.
    pub fn ensure(&self, topic: &str, shape: TopicShape) -> Result<TopicDescription, TopicError> {
        let found = self.make_if_missing(topic, shape)?;
        if found.partitions < shape.partitions {
            let topic = topic.to_owned();
            let (partitions, needed) = (found.partitions, shape.partitions);
            return Err(TopicError::TooFewPartitions { topic, partitions, needed });
        }
        Ok(found)
    }

    /// Makes the topic when there is none; one that is there is left as it is, whatever its shape.
    ///
    /// # Errors
    /// As [`Topics::describe`], and when the cluster does not make it.
    pub fn make_if_missing(&self, topic: &str, shape: TopicShape) -> Result<TopicDescription, TopicError> {
        match self.describe(topic) {
            Err(TopicError::Missing { .. }) => {
                self.create(topic, shape)?;
                self.describe_new(topic)
            }
            found => found,
        }
    }

    /// Adds partitions to a topic, up to that many.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub fn add_partitions(&self, topic: &str, partitions: u32) -> Result<(), TopicError> {
        let wanted = NewPartitions::new(topic, partitions as usize);
        let (admin, options) = self.admin()?;
        match self.wait(topic, admin.create_partitions([&wanted], &options))?.pop() {
            None | Some(Ok(_)) => Ok(()),
            Some(Err((_, code))) => Err(self.failure(topic, code as i32, code.to_string())),
        }
    }

    pub(super) fn admin(&self) -> Result<(AdminClient<LastError>, AdminOptions), TopicError> {
        let config = client::config(properties::of_admin(&self.settings));
        let admin = config.create_with_context(LastError::default())?;
        let timeout = Some(self.timeout);
        Ok((admin, AdminOptions::new().request_timeout(timeout).operation_timeout(timeout)))
    }

    pub(super) fn wait<T>(
        &self,
        topic: &str,
        asked: impl Future<Output = KafkaResult<T>>,
    ) -> Result<T, TopicError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(|error| self.failure(topic, 0, error.to_string()))?;
        Ok(runtime.block_on(asked)?)
    }

    fn create(&self, topic: &str, shape: TopicShape) -> Result<(), TopicError> {
        let partitions = i32::try_from(shape.partitions).unwrap_or(i32::MAX);
        let replicas = shape.replicas.map_or(-1, i32::from);
        let kept = match shape.kept {
            Kept::For(retention_ms) => ("retention.ms", retention_ms.to_string(), "delete"),
            // Never by time.
            Kept::Latest => ("retention.ms", "-1".to_owned(), "compact"),
        };
        let bytes_max = shape.record_bytes_max.map(|bytes| bytes.to_string());
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(replicas))
            .set(kept.0, &kept.1)
            .set("cleanup.policy", kept.2);
        if let Some(bytes_max) = &bytes_max {
            new = new.set("max.message.bytes", bytes_max);
        }
        let (admin, options) = self.admin()?;
        match self.wait(topic, admin.create_topics([&new], &options))?.pop() {
            // Somebody else made it meanwhile: as good.
            None | Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((_, code))) => Err(self.failure(topic, code as i32, code.to_string())),
        }
    }

    /// The new topic may take a moment to be known to the broker that we ask.
    fn describe_new(&self, topic: &str) -> Result<TopicDescription, TopicError> {
        let begun = Instant::now();
        loop {
            match self.describe(topic) {
                Err(TopicError::Missing { .. }) if begun.elapsed() < self.timeout => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                found => return found,
            }
        }
    }

    fn failed(&self, topic: &str, error: &KafkaError) -> TopicError {
        let code = error.rdkafka_error_code().map_or(0, |code| code as i32);
        self.failure(topic, code, error.to_string())
    }

    fn failure(&self, topic: &str, code: i32, reason: String) -> TopicError {
        let topic = topic.to_owned();
        let is = |known: RDKafkaErrorCode| code == known as i32;
        if is(RDKafkaErrorCode::UnknownTopicOrPartition) || is(RDKafkaErrorCode::UnknownTopic) {
            return TopicError::Missing { topic };
        }
        let unreachable = [
            RDKafkaErrorCode::OperationTimedOut,
            RDKafkaErrorCode::TimedOutQueue,
            RDKafkaErrorCode::BrokerTransportFailure,
            RDKafkaErrorCode::AllBrokersDown,
        ];
        if unreachable.into_iter().any(is) {
            // Errors wait in the client's queue for being polled.
            while self.client.poll(Duration::from_millis(10)).is_some() {}
            let reason = self.client.context().take().unwrap_or(reason);
            return TopicError::Unreachable { brokers: self.settings.brokers.clone(), reason };
        }
        TopicError::Refused { topic, reason }
    }
}
