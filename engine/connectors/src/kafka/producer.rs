//! The I/O half of the Kafka sinks: hands records to the idempotent client and gathers their delivery reports.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use thalweg_core::sink::{Reply, Request};
use tokio::sync::oneshot;

use super::answer::ItemAnswer;
use super::client;
use super::librdkafka::{self, Failed};
use super::produce::Produce;
use super::properties;
use super::settings::KafkaSettings;
use super::sink::PRODUCE;
use super::source::ConnectError;

/// How long to wait before a record is offered again to a client whose queue is full.
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(5);

/// Writes the requests of [`super::sink::KafkaSink`] and [`super::dead_letter::DeadLetters`].
///
/// The client keeps the order and retries without end (its message timeout is off), so a request is answered when
/// every record of it is written or refused, however long the brokers are away. Topics must exist: a record for an
/// unknown one is refused after five seconds.
pub struct KafkaProducer {
    client: Mutex<Arc<Client>>,
    properties: properties::Properties,
}

type Client = ThreadedProducer<Deliveries>;

impl KafkaProducer {
    /// A producer of records up to `record_bytes_max` (what the source's topic takes) and the overhead of a dead
    /// letter. Does not wait for brokers.
    ///
    /// # Errors
    /// When a setting can't be, or the client can't be made of them.
    pub fn connect(settings: &KafkaSettings, record_bytes_max: u32) -> Result<Self, ConnectError> {
        settings.check()?;
        let properties = properties::of_producer(settings, record_bytes_max);
        Self::of_properties(properties)
    }

    /// As [`KafkaProducer::connect`], for records that somebody waits for: one that could not be written for so long is
    /// given up, and answered with [`ItemAnswer::Refused`] when it is certain that it was not written. Records may
    /// overtake such a one.
    ///
    /// # Errors
    /// As [`KafkaProducer::connect`].
    pub fn with_timeout(
        settings: &KafkaSettings,
        record_bytes_max: u32,
        timeout: Duration,
    ) -> Result<Self, ConnectError> {
        settings.check()?;
        let mut properties = properties::of_producer(settings, record_bytes_max);
        // The last one of a name wins.
        properties.push(("message.timeout.ms".to_owned(), timeout.as_millis().max(1).to_string()));
        Self::of_properties(properties)
    }

    fn of_properties(properties: properties::Properties) -> Result<Self, ConnectError> {
        let client = Mutex::new(Arc::new(make(&properties)?));
        Ok(Self { client, properties })
    }

    /// Writes all records of a request; answers when the fate of each is known.
    pub async fn send(&self, request: Request) -> Reply {
        let Some(records) = decode(&request) else {
            return Reply::NotSent("the request is not one of the Kafka sink's".to_owned());
        };
        let client = match self.sound_client() {
            Ok(client) => client,
            Err(error) => return Reply::NotSent(format!("the Kafka client can't be made: {error}")),
        };
        let (gather, all_known) = Gather::of(records.len());
        for (index, record) in records.iter().enumerate() {
            hand_over(&client, record, index, &gather).await;
        }
        match all_known.await {
            Ok(answers) => {
                let mut body = Vec::new();
                answers.iter().for_each(|answer| answer.encode(&mut body));
                Reply::Answer { status: 0, body }
            }
            Err(_) => Reply::Unknown("the Kafka client ended without delivery reports".to_owned()),
        }
    }

    /// The client; a new one when the last has failed for good.
    fn sound_client(&self) -> Result<Arc<Client>, KafkaError> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((code, reason)) = client.client().fatal_error() {
            tracing::error!("the Kafka producer has failed and is replaced: {reason} ({code})");
            let failed = std::mem::replace(&mut *client, Arc::new(make(&self.properties)?));
            client::drop_elsewhere(failed);
        }
        Ok(Arc::clone(&client))
    }
}

impl Drop for KafkaProducer {
    fn drop(&mut self) {
        client::drop_elsewhere(Arc::clone(&self.client.lock().unwrap_or_else(PoisonError::into_inner)));
    }
}

fn make(properties: &properties::Properties) -> Result<Client, KafkaError> {
    client::config(properties.clone()).create_with_context(Deliveries)
}

/// The records of a request, or `None` when it is not one of ours.
fn decode(request: &Request) -> Option<Vec<Produce<'_>>> {
    if request.operation != PRODUCE {
        return None;
    }
    let mut rest = request.body.as_slice();
    let mut records = Vec::new();
    while !rest.is_empty() {
        records.push(Produce::decode(&mut rest)?);
    }
    Some(records)
}

async fn hand_over(client: &Client, record: &Produce<'_>, index: usize, gather: &Arc<Gather>) {
    let mut delivery = Box::new(Delivery { index, gather: Arc::clone(gather) });
    loop {
        match librdkafka::produce(client.client(), record, delivery) {
            Ok(()) => return,
            Err(((code, _), again)) if code == RDKafkaErrorCode::QueueFull as i32 => {
                delivery = again;
                tokio::time::sleep(QUEUE_FULL_PAUSE).await;
            }
            Err((failed, delivery)) => {
                delivery.end(answer_to(&failed));
                return;
            }
        }
    }
}

/// The delivery reports of one request.
struct Gather {
    answers: Mutex<Vec<ItemAnswer>>,
    missing: AtomicUsize,
    all_known: Mutex<Option<oneshot::Sender<Vec<ItemAnswer>>>>,
}

impl Gather {
    fn of(count: usize) -> (Arc<Self>, oneshot::Receiver<Vec<ItemAnswer>>) {
        let (all_known, receiver) = oneshot::channel();
        let unknown = ItemAnswer::Failed("no delivery report".to_owned());
        let gather = Self {
            answers: Mutex::new(vec![unknown; count]),
            missing: AtomicUsize::new(count),
            all_known: Mutex::new(Some(all_known)),
        };
        if count == 0 {
            gather.tell();
        }
        (Arc::new(gather), receiver)
    }

    fn tell(&self) {
        let answers = std::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(sender) = self.all_known.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // The lane may have gone.
            let _ = sender.send(answers);
        }
    }
}

/// What comes back with a record's delivery report.
struct Delivery {
    index: usize,
    gather: Arc<Gather>,
}

impl Delivery {
    fn end(&self, answer: ItemAnswer) {
        if let Some(place) =
            self.gather.answers.lock().unwrap_or_else(PoisonError::into_inner).get_mut(self.index)
        {
            *place = answer;
        }
        if self.gather.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.gather.tell();
        }
    }
}

/// The producer's context: ends deliveries.
struct Deliveries;

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        client::log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!("Kafka producer: {reason} ({error})");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Delivery>;

    fn delivery(&self, result: &DeliveryResult<'_>, delivery: Box<Delivery>) {
        delivery.end(match result {
            Ok(_) => ItemAnswer::Delivered,
            Err((error, record)) => match error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown) {
                code @ RDKafkaErrorCode::MessageTimedOut if !librdkafka::may_be_written(record) => {
                    ItemAnswer::Refused(code.to_string())
                }
                code => answer_to(&(code as i32, code.to_string())),
            },
        });
    }
}

/// Sorts the client's and the brokers' codes by what follows from them.
pub(super) fn answer_to((code, text): &Failed) -> ItemAnswer {
    use RDKafkaErrorCode as Code;
    let text = text.clone();
    let is = |known: &[Code]| known.iter().any(|known| *code == *known as i32);
    if is(&[Code::MessageSizeTooLarge, Code::MessageBatchTooLarge]) {
        ItemAnswer::TooLarge(text)
    } else if is(&[Code::InvalidRecord, Code::InvalidTimestamp, Code::InvalidMessage]) {
        ItemAnswer::Invalid(text)
    } else if is(&[
        Code::UnknownTopic,
        Code::UnknownTopicOrPartition,
        Code::UnknownPartition,
        Code::InvalidTopic,
        Code::TopicAuthorizationFailed,
        Code::ClusterAuthorizationFailed,
        Code::PolicyViolation,
        Code::Authentication,
        Code::InvalidArgument,
    ]) {
        ItemAnswer::Refused(text)
    } else {
        ItemAnswer::Failed(text)
    }
}
