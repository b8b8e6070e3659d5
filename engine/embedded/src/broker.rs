//! The broker: librdkafka's mock cluster, which speaks the real protocol on loopback.
//!
//! Other than a real one: it keeps the newest [`PARTITION_BYTES_MAX`] of each partition, in memory, and drops what is
//! older, read or not; topics are made here and not by clients (CreateTopics and CreatePartitions are missing), so
//! topics for dead letters must be named at the start; offsets by time and topics' settings are missing; a group's first
//! member waits 3 s for others to come. Topics have ids, and commits keep their metadata.
//!
//! Transactions are taken and answered, and do nothing: readers of what is committed see records at once, also those of a
//! transaction that is aborted or never ends, and offsets that are sent to a transaction are forgotten
//! (`rd_kafka_mock_handle_TxnOffsetCommit` in librdkafka 2.12.1 reads and drops them). So an exactly-once flow runs here, and
//! is exactly once as long as nothing fails: a worker that has to look up what it committed finds nothing, and begins at
//! the first record again.

use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, DefaultProducerContext, Producer as _};
use rdkafka::types::RDKafkaErrorCode;

/// What the broker keeps of a partition, as it was sent (compressed). Source: `rd_kafka_mock_partition_init` in
/// librdkafka 2.12.1.
pub const PARTITION_BYTES_MAX: u64 = 5 << 20;

/// Who writes should let readers catch up when so much of a partition is unread: what is on its way comes on top, and
/// what is dropped unread is lost.
pub const UNREAD_BYTES_MAX: u64 = 3 << 20;

/// How long a committed offset is waited for: the broker is in this process.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// A broker in this process; ends, with all it holds, when dropped. Its work is done on a thread called `rdk:mock`.
pub struct EmbeddedBroker {
    // A client whose cluster is a mock: unlike the mock by itself, it may be handed from thread to thread.
    client: BaseProducer,
    address: String,
}

impl EmbeddedBroker {
    /// Starts one with these topics: name and number of partitions.
    ///
    /// # Errors
    /// When the client library refuses: a topic is named twice, or has no partitions.
    pub fn start(topics: &[(&str, u32)]) -> Result<Self, KafkaError> {
        let mut config = ClientConfig::new();
        config.set("test.mock.num.brokers", "1");
        let mut broker = Self { client: config.create()?, address: String::new() };
        let address = broker.cluster()?.bootstrap_servers();
        broker.address = address;
        topics.iter().try_for_each(|(topic, partitions)| broker.create_topic(topic, *partitions))?;
        Ok(broker)
    }

    /// Makes a topic.
    ///
    /// # Errors
    /// When it is there already, or has no partitions.
    pub fn create_topic(&self, topic: &str, partitions: u32) -> Result<(), KafkaError> {
        self.cluster()?.create_topic(topic, i32::try_from(partitions).unwrap_or(i32::MAX), 1)
    }

    /// Where clients connect: `127.0.0.1:PORT`.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.address
    }

    fn cluster(&self) -> Result<MockCluster<'_, DefaultProducerContext>, KafkaError> {
        // It was asked for when the client was made.
        self.client.client().mock_cluster().ok_or(KafkaError::MockCluster(RDKafkaErrorCode::Fail))
    }

    /// Drops every connection and takes no new one, until [`EmbeddedBroker::bring_up`]. Nothing is forgotten.
    ///
    /// # Errors
    /// When the client library refuses.
    pub fn take_down(&self) -> Result<(), KafkaError> {
        self.cluster()?.broker_down(EVERY_BROKER)
    }

    /// Takes connections again.
    ///
    /// # Errors
    /// When the client library refuses.
    pub fn bring_up(&self) -> Result<(), KafkaError> {
        self.cluster()?.broker_up(EVERY_BROKER)
    }

    /// Looks at what a group commits of a topic.
    ///
    /// # Errors
    /// When the client library refuses.
    pub fn group(&self, group: &str, topic: &str, partitions: u32) -> Result<GroupProgress, KafkaError> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.brokers()).set("group.id", group);
        let (client, topic) = (config.create()?, topic.to_owned());
        Ok(GroupProgress { client, topic, partitions })
    }
}

const EVERY_BROKER: i32 = -1;

/// What a group has committed of a topic, for whoever writes as fast as it is read (see [`crate::unread`]).
pub struct GroupProgress {
    client: BaseConsumer,
    topic: String,
    partitions: u32,
}

impl GroupProgress {
    /// The committed offset of each partition: one above what was read last; 0 where nothing is committed. Blocks until
    /// the broker answers.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn committed(&self) -> Result<Vec<u64>, KafkaError> {
        let mut asked = TopicPartitionList::with_capacity(self.partitions as usize);
        for partition in 0..self.partitions {
            asked.add_partition(&self.topic, partition.cast_signed());
        }
        let found = self.client.committed_offsets(asked, ANSWER_TIMEOUT)?;
        let offset = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            element.offset().to_raw().and_then(|offset| u64::try_from(offset).ok()).unwrap_or(0)
        };
        Ok(found.elements().iter().map(offset).collect())
    }
}
