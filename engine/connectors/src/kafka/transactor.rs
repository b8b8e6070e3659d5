//! Writes the transactions of an exactly-once worker, on a thread of its own: every call of it waits.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use thalweg_core::exactly_once::{Changes, Outputs, TransactionResult};
use thalweg_core::headers::Headers;
use thalweg_core::position::PartitionId;

use super::answer::ItemAnswer;
use super::client;
use super::produce::Produce;
use super::settings::KafkaSettings;
use super::source::{ConnectError, ConsumerGroupMetadata};
use super::transaction::{Position, TransactionError, TransactionalProducer};

/// One question whether we may begin; repeated until we may.
const TAKE_OVER_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two such questions that failed at once.
const TAKE_OVER_PAUSE: Duration = Duration::from_millis(200);

/// What the transactions of a worker are.
#[derive(Debug, Clone)]
pub struct TransactorSettings {
    /// How Kafka is reached.
    pub kafka: KafkaSettings,
    /// The transactional id: this worker's alone, and the same after a restart.
    pub id: String,
    /// How long a transaction may take, and how long readers of what is committed wait for a process that died in one.
    pub timeout: Duration,
    /// The changelog's topic.
    pub changelog: String,
}

/// What the thread tells.
#[derive(Debug, PartialEq, Eq)]
pub enum TransactorEvent {
    /// A new producer is there; what its predecessor had left open was ended.
    Ready,
    /// The transaction that was to be committed or aborted has ended.
    Ended(TransactionResult),
    /// The brokers know another producer of our id, or have given the transaction up because it took too long. Answers a
    /// commit or an abort: nothing of it is committed.
    ProducerFenced(String),
    /// There can't be a producer: for the operator of the system.
    Fatal(String),
    /// Something is wrong that is tried again.
    Warning(String),
}

/// The offset of a partition, as part of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionOffset {
    /// The partition, by whose number its changelog goes too.
    pub partition: PartitionId,
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub number: i32,
    /// The next offset to be read.
    pub next_offset: i64,
    /// What the group remembers with it.
    pub metadata: String,
}

/// The end of a transaction.
pub struct TransactionEnd {
    /// Records for the changelogs of partitions that are in `offsets`.
    pub changes: Changes,
    /// Of every partition that the transaction touched.
    pub offsets: Vec<TransactionOffset>,
    /// The group's data, read after every event of the source was handled; `None`: not a member (any more).
    pub group: Option<ConsumerGroupMetadata>,
}

enum Job {
    Renew,
    Produce(Outputs),
    Commit(TransactionEnd),
    Abort,
}

/// The thread, seen from the worker. Ends after what it is doing once this is dropped.
pub struct Transactor {
    jobs: Sender<Job>,
    events: Receiver<TransactorEvent>,
}

impl Transactor {
    /// Starts the thread; `wake` is called after each event. No producer is there before [`Transactor::renew`].
    ///
    /// # Errors
    /// When a setting can't be, or no thread can be started.
    pub fn start(
        settings: TransactorSettings,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> Result<Self, ConnectError> {
        settings.kafka.check()?;
        let (jobs, todo) = unbounded();
        let (told, events) = unbounded();
        let thread = Thread { settings, told, wake, producer: None, open: false, failed: None };
        std::thread::Builder::new().name("kafka-transactions".to_owned()).spawn(move || thread.run(&todo))?;
        Ok(Self { jobs, events })
    }

    /// Drops the producer if there is one, and makes another. Ends as [`TransactorEvent::Ready`].
    pub fn renew(&self) {
        self.ask(Job::Renew);
    }

    /// Writes records in the transaction; the first ones begin it. Whether they can be written shows at its end.
    pub fn produce(&self, outputs: Outputs) {
        self.ask(Job::Produce(outputs));
    }

    /// Commits. Ends as [`TransactorEvent::Ended`] or [`TransactorEvent::ProducerFenced`].
    pub fn commit(&self, end: TransactionEnd) {
        self.ask(Job::Commit(end));
    }

    /// Aborts. Ends as [`Transactor::commit`] does.
    pub fn abort(&self) {
        self.ask(Job::Abort);
    }

    /// The next event, if one is there.
    #[must_use]
    pub fn event(&self) -> Option<TransactorEvent> {
        self.events.try_recv().ok()
    }

    /// The queue is as long as one transaction: a worker hands nothing over before the result.
    fn ask(&self, job: Job) {
        // The thread ends only after this sender, or by a bug that it has told.
        let _ = self.jobs.send(job);
    }
}

struct Thread {
    settings: TransactorSettings,
    told: Sender<TransactorEvent>,
    wake: Arc<dyn Fn() + Send + Sync>,
    producer: Option<TransactionalProducer>,
    /// A transaction has begun.
    open: bool,
    /// Why the open transaction can't be committed.
    failed: Option<TransactionError>,
}

impl Thread {
    fn run(mut self, todo: &Receiver<Job>) {
        while let Ok(job) = todo.recv() {
            match job {
                Job::Renew => self.renew(todo),
                Job::Produce(outputs) => self.produce(&outputs),
                Job::Commit(end) => {
                    let committed = self.commit(&end);
                    self.tell_end(committed);
                }
                Job::Abort => self.tell_end(Err(TransactionError::Aborted { reason: "as asked".to_owned() })),
            }
        }
        if let Some(producer) = self.producer {
            client::drop_elsewhere(producer);
        }
    }

    fn tell(&self, event: TransactorEvent) {
        // Nobody listens any more when the worker has ended.
        let _ = self.told.send(event);
        (self.wake)();
    }

    fn renew(&mut self, todo: &Receiver<Job>) {
        if let Some(producer) = self.producer.take() {
            client::drop_elsewhere(producer);
        }
        (self.open, self.failed) = (false, None);
        let TransactorSettings { kafka, id, timeout, .. } = &self.settings;
        let producer = match TransactionalProducer::make(kafka, id, *timeout) {
            Ok(producer) => producer,
            Err(error) => return self.tell(TransactorEvent::Fatal(error.to_string())),
        };
        loop {
            match producer.take_over(TAKE_OVER_TIMEOUT) {
                Ok(()) => break,
                Err(error) if producer.is_broken() => {
                    return self.tell(TransactorEvent::Fatal(error.to_string()));
                }
                Err(error) => {
                    let text = format!("the transactional id {id} can't be taken over (yet): {error}");
                    self.tell(TransactorEvent::Warning(text));
                }
            }
            // While a producer is made the worker asks for nothing; all that can come is its end.
            if todo.recv_timeout(TAKE_OVER_PAUSE).is_err_and(|error| error.is_disconnected()) {
                return;
            }
        }
        self.producer = Some(producer);
        self.tell(TransactorEvent::Ready);
    }

    fn produce(&mut self, outputs: &Outputs) {
        self.begin();
        for (_, effect) in outputs.iter() {
            let mut rest = effect;
            let Some(record) = Produce::decode(&mut rest) else {
                unreachable!("the sinks of an exactly-once flow encode records")
            };
            self.hand_over(&record);
        }
    }

    fn begin(&mut self) {
        if !self.open {
            self.open = true;
            self.failed = self.producer.as_ref().and_then(|producer| producer.begin().err());
        }
    }

    fn hand_over(&mut self, record: &Produce<'_>) {
        if let Some(producer) = self.producer.as_mut().filter(|_| self.failed.is_none())
            && !producer.produce(record)
        {
            let reason = "a record was refused".to_owned();
            self.failed = Some(TransactionError::Aborted { reason });
        }
    }

    fn commit(&mut self, end: &TransactionEnd) -> Result<(), TransactionError> {
        self.begin();
        let changelog = self.settings.changelog.clone();
        for (partition, key, value) in end.changes.iter() {
            let Some(offset) = end.offsets.iter().find(|offset| offset.partition == partition) else {
                unreachable!("a transaction has the offset of every partition that it touched")
            };
            let record = Produce {
                topic: &changelog,
                partition: Some(offset.number),
                key: Some(key),
                value,
                headers: Headers::default(),
            };
            self.hand_over(&record);
        }
        if let Some(failed) = self.failed.take() {
            return Err(failed);
        }
        let Some(group) = &end.group else {
            return Err(TransactionError::GroupFenced { reason: "not a member of the group".to_owned() });
        };
        let Some(producer) = &self.producer else {
            return Err(TransactionError::Aborted { reason: "there is no producer".to_owned() });
        };
        let positions = end.offsets.iter().map(|offset| Position {
            topic: &offset.topic,
            partition: offset.number,
            next_offset: offset.next_offset,
            metadata: offset.metadata.clone(),
        });
        producer.send_offsets(&positions.collect::<Vec<_>>(), group)?;
        producer.commit()
    }

    /// The transaction has ended, or must end now.
    fn tell_end(&mut self, ended: Result<(), TransactionError>) {
        let was_open = std::mem::take(&mut self.open);
        self.failed = None;
        let event = match ended {
            Ok(()) => TransactorEvent::Ended(TransactionResult::Committed),
            Err(error @ TransactionError::Fenced { .. }) => {
                TransactorEvent::ProducerFenced(error.to_string())
            }
            Err(error @ TransactionError::Unknown { .. }) => {
                TransactorEvent::Ended(TransactionResult::Unknown(error.to_string()))
            }
            Err(error) => self.abort(&error, was_open),
        };
        self.tell(event);
    }

    /// Nothing of the transaction may stay.
    fn abort(&mut self, why: &TransactionError, was_open: bool) -> TransactorEvent {
        let Some(producer) = self.producer.as_mut().filter(|_| was_open) else {
            return TransactorEvent::Ended(TransactionResult::Aborted(why.to_string()));
        };
        let aborted = producer.abort();
        let reason = match producer.take_refused().into_iter().find_map(|(_, answer)| refusal(answer)) {
            Some(refusal) => format!("{why}: {refusal}"),
            None => why.to_string(),
        };
        match (aborted, why) {
            (Err(fenced @ TransactionError::Fenced { .. }), _) => {
                TransactorEvent::ProducerFenced(fenced.to_string())
            }
            // A new producer ends what could not be ended now.
            (_, TransactionError::GroupFenced { .. }) => {
                TransactorEvent::Ended(TransactionResult::Fenced(reason))
            }
            (Err(error), _) => {
                TransactorEvent::Ended(TransactionResult::Unknown(format!("{reason}; {error}")))
            }
            (Ok(()), _) => TransactorEvent::Ended(TransactionResult::Aborted(reason)),
        }
    }
}

/// What a record was refused for; records beside it failed only because the transaction did.
fn refusal(answer: ItemAnswer) -> Option<String> {
    match answer {
        ItemAnswer::TooLarge(text) | ItemAnswer::Invalid(text) | ItemAnswer::Refused(text) => Some(text),
        ItemAnswer::Delivered | ItemAnswer::Failed(_) => None,
    }
}
