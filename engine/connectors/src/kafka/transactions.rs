//! Records, and how far their reader has come, in one transaction: both happen or neither. Blocking.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::Offset;
use rdkafka::{ClientContext, TopicPartitionList};

use super::answer::ItemAnswer;
use super::client::{self, LastError};
use super::librdkafka;
use super::produce::Produce;
use super::producer::answer_to;
use super::properties;
use super::settings::{KafkaSettings, SettingError};

/// How long readers of what is committed wait for a process that died in a transaction; also how long a transaction
/// may take. A new process of the same id ends it at once.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(15);

/// How long the coordinator may take: some seconds while it moves to another broker.
const COORDINATOR_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a transaction that failed is tried: twice after a refused record, and once more for bad luck.
const TRIES: u32 = 3;

/// Between two looks for delivery reports, which arrive on a thread of the client.
const REPORTS_PAUSE: Duration = Duration::from_millis(1);

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

/// What became of a transaction that could be judged.
#[derive(Debug)]
pub enum Written {
    /// All of it is there.
    Committed,
    /// Nothing of it is there, since these records (by their place) were refused.
    Refused(Vec<(usize, ItemAnswer)>),
}

/// Writes transactions, one after the other.
pub struct Transactions {
    producer: ThreadedProducer<Refusals>,
    group: ConsumerGroupMetadata,
    id: String,
    /// The group's data is told by it.
    _member: BaseConsumer<LastError>,
}

impl Transactions {
    /// Begins to write under that transactional id, for the settings' group: whatever was begun under it before is
    /// ended, and its processes can't go on.
    ///
    /// # Errors
    /// When a setting can't be, or the brokers do not let us.
    pub fn begin(settings: &KafkaSettings, id: &str) -> Result<Self, TransactionError> {
        settings.check()?;
        let mut consumer = client::config(properties::of_admin(settings));
        consumer.set("group.id", &settings.group.id);
        let member: BaseConsumer<LastError> = consumer.create_with_context(LastError::default())?;
        let group = member.group_metadata().ok_or_else(|| TransactionError::Aborted {
            reason: "the Kafka client does not know its group".to_owned(),
        })?;
        // As large as there may be: the brokers decide.
        let mut config = client::config(properties::of_producer(settings, u32::MAX));
        let timeout_ms = TRANSACTION_TIMEOUT.as_millis().to_string();
        config.set("transactional.id", id);
        config.set("transaction.timeout.ms", &timeout_ms);
        // The client insists on one that is not longer.
        config.set("message.timeout.ms", &timeout_ms);
        let producer: ThreadedProducer<_> = config.create_with_context(Refusals::default())?;
        let transactions = Self { producer, group, id: id.to_owned(), _member: member };
        let begun = transactions.producer.init_transactions(COORDINATOR_TIMEOUT);
        begun.map_err(|error| transactions.failure(&error))?;
        Ok(transactions)
    }

    /// Writes the records, in their order, and the positions. Records that are refused undo the whole transaction; what
    /// only failed is tried again.
    ///
    /// # Errors
    /// Whatever else goes wrong; see [`TransactionError`] for what holds then.
    pub fn write(
        &self,
        records: &[Produce<'_>],
        positions: &[Position<'_>],
    ) -> Result<Written, TransactionError> {
        let mut reason = String::new();
        for _ in 0..TRIES {
            match self.try_write(records, positions)? {
                Written::Refused(answers) => match refusals_of(answers) {
                    Ok(refused) => return Ok(Written::Refused(refused)),
                    Err(failure) => reason = failure,
                },
                Written::Committed => return Ok(Written::Committed),
            }
        }
        Err(TransactionError::Aborted { reason })
    }

    fn try_write(
        &self,
        records: &[Produce<'_>],
        positions: &[Position<'_>],
    ) -> Result<Written, TransactionError> {
        self.producer.begin_transaction().map_err(|error| self.failure(&error))?;
        let refused = self.deliver(records);
        if !refused.is_empty() {
            self.abort()?;
            return Ok(Written::Refused(refused));
        }
        self.send_positions(positions).map_err(|error| self.give_up(&error))?;
        self.commit()?;
        Ok(Written::Committed)
    }

    /// Hands the records over and waits for their reports: those that were refused.
    fn deliver(&self, records: &[Produce<'_>]) -> Vec<(usize, ItemAnswer)> {
        let refusals = self.producer.context();
        let first = refusals.begin(records.len());
        for (index, record) in records.iter().enumerate() {
            let failed = loop {
                match librdkafka::produce(self.producer.client(), record, first + index) {
                    Ok(()) => break None,
                    Err(((code, _), _)) if code == RDKafkaErrorCode::QueueFull as i32 => {
                        std::thread::sleep(REPORTS_PAUSE);
                    }
                    Err((failed, _)) => break Some(failed),
                }
            };
            if let Some(failed) = failed {
                refusals.note(first + index, answer_to(&failed));
            }
            if refusals.are_there() {
                return refusals.take();
            }
        }
        // Once one is refused the client sends no other.
        while self.producer.in_flight_count() > 0 && !refusals.are_there() {
            std::thread::sleep(REPORTS_PAUSE);
        }
        refusals.take()
    }

    fn send_positions(&self, positions: &[Position<'_>]) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for position in positions {
            let Position { topic, partition, next_offset, metadata } = position;
            list.add_partition_offset(topic, *partition, Offset::Offset(*next_offset))?;
            if let Some(mut element) = list.find_partition(topic, *partition) {
                element.set_metadata(metadata);
            }
        }
        self.producer.send_offsets_to_transaction(&list, &self.group, COORDINATOR_TIMEOUT)
    }

    /// Asking again after a timeout is what the client wants; the outcome is one and the same.
    fn commit(&self) -> Result<(), TransactionError> {
        let begun = Instant::now();
        loop {
            match self.producer.commit_transaction(COORDINATOR_TIMEOUT) {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => {
                    return Err(self.give_up(&KafkaError::Transaction(error)));
                }
                Err(KafkaError::Transaction(error))
                    if error.is_retriable() && begun.elapsed() < COORDINATOR_TIMEOUT => {}
                Err(error) => {
                    return Err(match self.failure(&error) {
                        TransactionError::Aborted { reason } => TransactionError::Unknown { reason },
                        failure => failure,
                    });
                }
            }
        }
    }

    fn give_up(&self, error: &KafkaError) -> TransactionError {
        let failure = self.failure(error);
        match self.abort() {
            Err(fenced @ TransactionError::Fenced { .. }) => fenced,
            // What could not be ended now ends by its timeout, or when the next process begins.
            _ => failure,
        }
    }

    fn abort(&self) -> Result<(), TransactionError> {
        self.producer.abort_transaction(COORDINATOR_TIMEOUT).map_err(|error| self.failure(&error))
    }

    fn failure(&self, error: &KafkaError) -> TransactionError {
        use RDKafkaErrorCode::{Fenced, InvalidProducerEpoch, ProducerFenced};
        let fatal = self.producer.client().fatal_error();
        let code = error.rdkafka_error_code();
        let codes = [fatal.as_ref().map(|(code, _)| *code), code];
        if codes.iter().flatten().any(|code| [Fenced, InvalidProducerEpoch, ProducerFenced].contains(code)) {
            return TransactionError::Fenced { id: self.id.clone() };
        }
        let reason = fatal.map_or_else(|| error.to_string(), |(_, reason)| reason);
        TransactionError::Aborted { reason }
    }
}

/// The records that were refused; when none was, what failed. The transaction after one with a refused record always
/// fails: its numbers do not join on to what the broker has, which ends with the next.
fn refusals_of(answers: Vec<(usize, ItemAnswer)>) -> Result<Vec<(usize, ItemAnswer)>, String> {
    let failed = |(_, answer): &(usize, ItemAnswer)| match answer {
        ItemAnswer::Failed(reason) => Some(reason.clone()),
        _ => None,
    };
    match answers.iter().map(failed).collect::<Option<Vec<_>>>() {
        Some(reasons) => Err(reasons.into_iter().next().unwrap_or_default()),
        None => Ok(answers.into_iter().filter(|answer| failed(answer).is_none()).collect()),
    }
}

/// The producer's context: keeps what was refused.
#[derive(Default)]
struct Refusals(Mutex<Reports>);

/// Records are numbered through all transactions: reports of one that was given up may come late.
#[derive(Default)]
struct Reports {
    /// The number of this transaction's first record.
    first: usize,
    /// The number that the next transaction's first record will have.
    next: usize,
    refused: Vec<(usize, ItemAnswer)>,
}

impl Refusals {
    fn reports(&self) -> MutexGuard<'_, Reports> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A transaction of so many records begins; answers the number of its first.
    fn begin(&self, records: usize) -> usize {
        let mut reports = self.reports();
        let first = reports.next;
        *reports = Reports { first, next: first.wrapping_add(records), refused: Vec::new() };
        first
    }

    fn note(&self, number: usize, answer: ItemAnswer) {
        let mut reports = self.reports();
        if (reports.first..reports.next).contains(&number) {
            let index = number - reports.first;
            reports.refused.push((index, answer));
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
