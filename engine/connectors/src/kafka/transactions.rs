//! Records, and how far their reader has come, in one transaction: both happen or neither. Blocking.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};

use super::answer::ItemAnswer;
use super::client::{self, LastError};
use super::produce::Produce;
use super::properties;
use super::settings::KafkaSettings;
use super::transaction::TransactionalProducer;
pub use super::transaction::{Position, TransactionError};

/// How long readers of what is committed wait for a process that died in a transaction; also how long a transaction
/// may take. A new process of the same id ends it at once.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(15);

/// How long the brokers may take to let us begin: some seconds while a coordinator moves to another broker.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a transaction that failed is tried.
const TRIES: u32 = 3;

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
    producer: TransactionalProducer,
    group: ConsumerGroupMetadata,
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
        let producer = TransactionalProducer::make(settings, id, TRANSACTION_TIMEOUT)?;
        let mut consumer = client::config(properties::of_admin(settings));
        consumer.set("group.id", &settings.group.id);
        let member: BaseConsumer<LastError> = consumer.create_with_context(LastError::default())?;
        let group = member.group_metadata().ok_or_else(|| TransactionError::Aborted {
            reason: "the Kafka client does not know its group".to_owned(),
        })?;
        producer.take_over(BEGIN_TIMEOUT)?;
        Ok(Self { producer, group, _member: member })
    }

    /// Writes the records, in their order, and the positions. Records that are refused undo the whole transaction; what
    /// only failed is tried again.
    ///
    /// # Errors
    /// Whatever else goes wrong; see [`TransactionError`] for what holds then.
    pub fn write(
        &mut self,
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
        &mut self,
        records: &[Produce<'_>],
        positions: &[Position<'_>],
    ) -> Result<Written, TransactionError> {
        self.producer.begin()?;
        let taken = records.iter().all(|record| self.producer.produce(record));
        let sent = if taken { self.producer.send_offsets(positions, &self.group) } else { Ok(()) };
        let ended = if taken { sent.and_then(|()| self.producer.commit()) } else { Ok(()) };
        match ended {
            Ok(()) if taken => Ok(Written::Committed),
            Err(error @ (TransactionError::Unknown { .. } | TransactionError::Fenced { .. })) => Err(error),
            ended => {
                let aborted = self.producer.abort();
                let refused = self.producer.take_refused();
                match (ended, aborted) {
                    (_, Err(fenced @ TransactionError::Fenced { .. })) => Err(fenced),
                    (_, aborted) if !refused.is_empty() => aborted.map(|()| Written::Refused(refused)),
                    // What could not be ended now ends by its timeout, or when the next process begins.
                    (ended, _) => ended.map(|()| Written::Refused(refused)),
                }
            }
        }
    }
}

/// The records that were refused; when none was, what failed.
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
