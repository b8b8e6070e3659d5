//! The client of a transactional id: one transaction after the other. Shared by replays of dead letters and exactly-once
//! workers. Blocking.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::Offset;
use rdkafka::{ClientContext, TopicPartitionList};

use super::answer::ItemAnswer;
use super::client;
use super::librdkafka::{self, CommitFailed, Failed, TopicHandle};
use super::produce::Produce;
use super::producer::answer_to;
use super::properties;
use super::settings::{KafkaSettings, SettingError};

/// How long the coordinator may take: some seconds while it moves to another broker.
const COORDINATOR_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the client that goes on after an aborted transaction may take to begin.
const GO_ON_TIMEOUT: Duration = Duration::from_secs(10);

/// Before a refused request is sent again the first time; the client doubles it each time, up to a second. The coordinator
/// refuses the offsets of a transaction while the markers of the one before are being written, which takes milliseconds; with
/// the client's default of 100 every transaction that follows at once waits for that long.
const RETRY_BACKOFF_MS: &str = "4";

/// Before a record is offered again to a client whose queue is full.
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(1);

/// Why a transaction did not happen, or may not have.
#[derive(Debug, thiserror::Error)]
pub enum TransactionError {
    /// A setting can't be.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The client library refused.
    #[error("the Kafka client: {0}")]
    Client(#[from] KafkaError),
    /// Another process has begun under the same id, and this one may not write any more.
    #[error("another process has begun under the transactional id {id}")]
    Fenced {
        /// The id.
        id: String,
    },
    /// The group does not know the member any more whose offsets were to be committed. Nothing was written.
    #[error("the group has other members now: {reason}")]
    GroupFenced {
        /// What the broker says.
        reason: String,
    },
    /// Nothing of the transaction was written.
    #[error("the transaction was given up: {reason}")]
    Aborted {
        /// Why.
        reason: String,
    },
    /// The brokers were asked to commit it and have not said what became of it.
    #[error("it is not known whether the last transaction was committed: {reason}")]
    Unknown {
        /// Why.
        reason: String,
    },
}

/// How far a reader has come in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position<'p> {
    /// The topic that is read.
    pub topic: &'p str,
    /// The number of the partition.
    pub partition: i32,
    /// The next offset to be read.
    pub next_offset: i64,
    /// What the group remembers with it.
    pub metadata: String,
}

/// See the module's text.
pub(super) struct TransactionalProducer {
    client: Live,
    /// What clients of this id are made of.
    config: ClientConfig,
    id: String,
    /// What was refused, by whichever client.
    refusals: Refusals,
    /// The number of the next record; records are numbered through all transactions.
    next: usize,
}

/// A client that lives, and what must be dropped before it.
struct Live {
    /// Those written to so far. A flow has a handful.
    topics: Vec<TopicHandle>,
    producer: ThreadedProducer<Refusals>,
}

impl TransactionalProducer {
    /// A client under that transactional id, which must be taken over before the first transaction. `timeout` is how long
    /// a transaction may take, and how long readers of what is committed wait for a process that died in one.
    ///
    /// # Errors
    /// When a setting can't be, or the client can't be made of them.
    pub(super) fn make(
        settings: &KafkaSettings,
        id: &str,
        timeout: Duration,
    ) -> Result<Self, TransactionError> {
        settings.check()?;
        // As large as there may be: the brokers decide.
        let mut config = client::config(properties::of_producer(settings, u32::MAX));
        let timeout_ms = timeout.as_millis().to_string();
        config.set("transactional.id", id);
        config.set("transaction.timeout.ms", &timeout_ms);
        // The client insists on one that is not longer.
        config.set("message.timeout.ms", &timeout_ms);
        // Adding offsets waits for the coordinator's answer without a limit of its own (librdkafka 2.12,
        // rd_kafka_send_offsets_to_transaction); the default of a request is a minute.
        config.set("socket.timeout.ms", &timeout_ms);
        config.set("retry.backoff.ms", RETRY_BACKOFF_MS);
        // What is written needs no report: a commit waits for all of it.
        config.set("delivery.report.only.error", "true");
        let refusals = Refusals::default();
        let client = Live::make(&config, &refusals)?;
        Ok(Self { client, config, id: id.to_owned(), refusals, next: 0 })
    }

    /// Ends what was begun under the id before; its processes can't go on. Waits for `patience` at most; may be called
    /// again after [`TransactionError::Aborted`].
    ///
    /// # Errors
    /// When the brokers do not let us, or not yet.
    pub(super) fn take_over(&self, patience: Duration) -> Result<(), TransactionError> {
        self.client.producer.init_transactions(patience).map_err(|error| self.failure(&error))
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// When the client can't.
    pub(super) fn begin(&self) -> Result<(), TransactionError> {
        self.refusals.begin(self.next);
        self.client.producer.begin_transaction().map_err(|error| self.failure(&error))
    }

    /// Hands a record over; answers whether it was taken. What becomes of it shows when the transaction is committed.
    pub(super) fn produce(&mut self, record: &Produce<'_>) -> bool {
        let number = self.next;
        self.next += 1;
        let Self { client, refusals, .. } = self;
        let Some(topic) = client.topic(record.topic) else {
            let why = ItemAnswer::Refused(format!("{:?} can't be a topic's name", record.topic));
            refusals.note(number, why);
            return false;
        };
        loop {
            match librdkafka::produce_to(client.producer.client(), &client.topics[topic], record, number) {
                Ok(()) => return true,
                Err(((code, _), _)) if code == RDKafkaErrorCode::QueueFull as i32 => {
                    // Once one is refused the client sends no other.
                    if refusals.are_there() {
                        return false;
                    }
                    std::thread::sleep(QUEUE_FULL_PAUSE);
                }
                Err((failed, _)) => {
                    refusals.note(number, answer_to(&failed));
                    return false;
                }
            }
        }
    }

    /// Makes the positions part of the transaction.
    ///
    /// # Errors
    /// When they can't be; the transaction is to be aborted then.
    pub(super) fn send_offsets(
        &self,
        positions: &[Position<'_>],
        group: &ConsumerGroupMetadata,
    ) -> Result<(), TransactionError> {
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for Position { topic, partition, next_offset, metadata } in positions {
            list.add_partition_offset(topic, *partition, Offset::Offset(*next_offset))?;
            if let Some(mut element) = list.find_partition(topic, *partition) {
                element.set_metadata(metadata);
            }
        }
        let sent = self.client.producer.send_offsets_to_transaction(&list, group, COORDINATOR_TIMEOUT);
        sent.map_err(|error| self.failure(&error))
    }

    /// Waits until all records are written, and commits. Asking again after a timeout is what the client wants; the outcome
    /// is one and the same.
    ///
    /// # Errors
    /// When it was not committed, or may not have been.
    pub(super) fn commit(&self) -> Result<(), TransactionError> {
        let begun = Instant::now();
        loop {
            match librdkafka::commit_transaction(self.client.producer.client(), COORDINATOR_TIMEOUT) {
                Ok(()) => return Ok(()),
                Err(CommitFailed { requires_abort: true, code, text, .. }) => {
                    return Err(self.failure_of((code, text)));
                }
                Err(CommitFailed { is_retriable: true, .. }) if begun.elapsed() < COORDINATOR_TIMEOUT => {}
                Err(CommitFailed { code, text, .. }) => {
                    return Err(match self.failure_of((code, text)) {
                        TransactionError::Aborted { reason } => TransactionError::Unknown { reason },
                        failure => failure,
                    });
                }
            }
        }
    }

    /// Aborts the transaction, and goes on with another client; afterwards every record of it has been judged.
    ///
    /// librdkafka 2.12 throws requests away that wait to be sent (`rd_kafka_abort_transaction`: `rd_kafka_purge`, then
    /// `rd_kafka_broker_handle_purge_queues`), but skips the numbers only of records that were in no request yet
    /// (`rd_kafka_toppar_purge_queues`: `epoch_base_msgid`). With the same client the next transaction of such a partition fails
    /// as `OUT_OF_ORDER_SEQUENCE_NUMBER` in its midst, and has to be recovered by new numbers for all partitions. An abort
    /// before the coordinator knows of any partition is even fatal to it (`INVALID_TXN_STATE`).
    ///
    /// # Errors
    /// When another process has begun under the id, or when this one can't go on (yet): what is open then ends by its timeout, or
    /// when the next process begins.
    pub(super) fn abort(&mut self) -> Result<(), TransactionError> {
        // Asks the brokers: a client that only began anew would take the id back from whoever has it now.
        let aborted = self.client.producer.abort_transaction(COORDINATOR_TIMEOUT);
        if let Err(fenced @ TransactionError::Fenced { .. }) = aborted.map_err(|error| self.failure(&error)) {
            return Err(fenced);
        }
        let before = std::mem::replace(&mut self.client, Live::make(&self.config, &self.refusals)?);
        client::drop_elsewhere(before);
        // Ends what could not be aborted.
        self.take_over(GO_ON_TIMEOUT)
    }

    /// The records of this transaction that were refused or failed, by their place in it.
    pub(super) fn take_refused(&self) -> Vec<(usize, ItemAnswer)> {
        self.refusals.take()
    }

    /// Whether the client can do nothing any more.
    pub(super) fn is_broken(&self) -> bool {
        self.client.producer.client().fatal_error().is_some()
    }

    fn failure(&self, error: &KafkaError) -> TransactionError {
        let code = error.rdkafka_error_code().map_or(0, |code| code as i32);
        self.failure_of((code, error.to_string()))
    }

    fn failure_of(&self, (code, text): Failed) -> TransactionError {
        use RDKafkaErrorCode as Code;
        let fatal = self.client.producer.client().fatal_error();
        let codes = [fatal.as_ref().map_or(0, |(code, _)| *code as i32), code];
        let is = |known: &[Code]| known.iter().any(|known| codes.contains(&(*known as i32)));
        if is(&[Code::Fenced, Code::InvalidProducerEpoch, Code::ProducerFenced]) {
            return TransactionError::Fenced { id: self.id.clone() };
        }
        // Not a member of an earlier generation: that one may be in this one too, and is asked again.
        if is(&[Code::UnknownMemberId, Code::FencedInstanceId, Code::FencedMemberEpoch]) {
            return TransactionError::GroupFenced { reason: text };
        }
        TransactionError::Aborted { reason: fatal.map_or(text, |(_, reason)| reason) }
    }
}

impl Live {
    fn make(config: &ClientConfig, refusals: &Refusals) -> Result<Self, KafkaError> {
        Ok(Self { topics: Vec::new(), producer: config.create_with_context(refusals.clone())? })
    }

    /// The place of the topic's handle.
    fn topic(&mut self, name: &str) -> Option<usize> {
        let found = self.topics.iter().position(|topic| topic.name == name);
        found.or_else(|| {
            self.topics.push(TopicHandle::find(self.producer.client(), name)?);
            Some(self.topics.len() - 1)
        })
    }
}

/// The producer's context: keeps what was refused. Clients of one id share it.
#[derive(Clone, Default)]
struct Refusals(Arc<Mutex<Reports>>);

#[derive(Default)]
struct Reports {
    /// The number of this transaction's first record: reports of one that was given up may come late.
    first: usize,
    refused: Vec<(usize, ItemAnswer)>,
}

impl Refusals {
    fn reports(&self) -> MutexGuard<'_, Reports> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, first: usize) {
        *self.reports() = Reports { first, refused: Vec::new() };
    }

    fn note(&self, number: usize, answer: ItemAnswer) {
        let mut reports = self.reports();
        if let Some(place) = number.checked_sub(reports.first) {
            reports.refused.push((place, answer));
        }
    }

    fn are_there(&self) -> bool {
        !self.reports().refused.is_empty()
    }

    fn take(&self) -> Vec<(usize, ItemAnswer)> {
        std::mem::take(&mut self.reports().refused)
    }
}

impl ClientContext for Refusals {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        client::log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!("Kafka producer: {reason} ({error})");
    }
}

impl ProducerContext for Refusals {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        if let Err((error, _)) = result {
            let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
            self.note(number, answer_to(&(code as i32, code.to_string())));
        }
    }
}
