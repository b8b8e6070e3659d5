//! Writes what happens in the chat, each record when it is due, and never more than the embedded broker can keep.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use thalweg::demo::{Consumed, Place, UnreadBytes};

use super::Shared;
use super::chat::Chat;
use super::event;

/// How long one wait for acknowledgements takes at most: a record may be due meanwhile.
const WAIT: Duration = Duration::from_millis(1);

/// Time between two looks at how far readers are: by then 20,000 records a second are 1 MiB more.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How long the last acknowledgements may take: the broker is in this process.
const LAST_WITHIN: Duration = Duration::from_secs(20);

/// Every run has other people saying other things; what is sent does not depend on it for being right.
fn seed() -> u64 {
    fastrand::u64(..)
}

/// What acknowledgements tell.
struct Acknowledged {
    shared: Arc<Shared>,
    unread: std::sync::Mutex<UnreadBytes>,
    failed: std::sync::Mutex<Option<String>>,
}

impl Acknowledged {
    fn unread(&self) -> std::sync::MutexGuard<'_, UnreadBytes> {
        self.unread.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(message) => {
                let bytes = message.payload_len() + message.key_len() + HEADERS_BYTES;
                let (partition, offset) =
                    (message.partition().unsigned_abs(), message.offset().unsigned_abs());
                self.unread().wrote(partition, offset, bytes as u64);
                self.shared.written.fetch_add(1, Ordering::Release);
            }
            Err((error, _)) => {
                let mut failed = self.failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                failed.get_or_insert(error.to_string());
            }
        }
    }
}

/// Names and values of a record's headers, about.
const HEADERS_BYTES: usize = 100;

/// The writer, connected.
pub(super) struct Writer {
    producer: BaseProducer<Acknowledged>,
    topic: String,
    partitions: u32,
    rate: u32,
    seconds: Option<u32>,
    consumed: Consumed,
    shared: Arc<Shared>,
    chat: Chat,
    looked: Instant,
}

/// What a record is made of.
#[derive(Default)]
struct Letter {
    key: String,
    value: Vec<u8>,
    event_id: String,
}

impl Writer {
    pub(super) fn connect(place: &Place, shared: Arc<Shared>) -> Result<Self, String> {
        let unread = UnreadBytes::new(place.partitions).into();
        let context = Acknowledged { shared: Arc::clone(&shared), unread, failed: None.into() };
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &place.at.brokers).set("enable.idempotence", "true");
        // As the broker keeps bytes as they were sent.
        config.set("compression.type", "lz4").set("linger.ms", "2");
        let producer: BaseProducer<Acknowledged> =
            config.create_with_context(context).map_err(|error| error.to_string())?;
        // So that its threads are there before those of the engine.
        let known = producer.client().fetch_metadata(Some(&place.topic), Duration::from_secs(10));
        known.map_err(|error| format!("the embedded broker does not answer: {error}"))?;
        Ok(Self {
            producer,
            topic: place.topic.clone(),
            partitions: place.partitions,
            rate: place.rate,
            seconds: place.seconds,
            consumed: Arc::clone(&place.consumed),
            shared,
            chat: Chat::new(seed()),
            looked: Instant::now(),
        })
    }

    pub(super) fn run(mut self) -> Result<(), String> {
        while !self.shared.go.load(Ordering::Acquire) {
            std::thread::sleep(WAIT);
        }
        let written = self.write_all();
        let acknowledged = self.wait_for_the_last();
        self.shared.over.store(true, Ordering::Release);
        written.and(acknowledged)
    }

    fn write_all(&mut self) -> Result<(), String> {
        let (begun, begun_ms) = (Instant::now(), now_ms());
        let records_max = self.seconds.map(|seconds| u64::from(seconds) * u64::from(self.rate));
        let mut letter = Letter::default();
        for number in 0_u64.. {
            // Counted from the beginning: what is late is not given up.
            let due =
                Duration::from_nanos(number.saturating_mul(1_000_000_000) / u64::from(self.rate.max(1)));
            if records_max.is_some_and(|most| number >= most) {
                return Ok(());
            }
            while begun.elapsed() < due || !self.has_room() {
                if self.shared.stop.load(Ordering::Acquire) {
                    return Ok(());
                }
                self.producer.poll(WAIT.min(due.saturating_sub(begun.elapsed())));
            }
            let due_ms = begun_ms + due.as_millis() as u64;
            self.compose(&mut letter, number, due_ms);
            self.send(&letter, due_ms)?;
        }
        Ok(())
    }

    /// Whether every partition can keep another record.
    fn has_room(&mut self) -> bool {
        if self.looked.elapsed() >= LOOK_INTERVAL {
            self.looked = Instant::now();
            let read = (self.consumed)();
            let mut unread = self.producer.context().unread();
            read.iter().zip(0..).for_each(|(next_offset, partition)| unread.read(partition, *next_offset));
        }
        let unread = self.producer.context().unread();
        (0..self.partitions).all(|partition| unread.has_room(partition))
    }

    fn compose(&mut self, letter: &mut Letter, number: u64, due_ms: u64) {
        let (conversation, message, happening) = self.chat.next();
        let id = format!("m-{message:08x}");
        // What is sent twice stays as it was, event id and all.
        if let Some(value) = event::value(conversation, &id, &event::timestamp(due_ms), &happening) {
            conversation.clone_into(&mut letter.key);
            letter.value = value.to_string().into_bytes();
            letter.event_id = format!("e-{number:08x}");
        }
    }

    fn send(&self, letter: &Letter, due_ms: u64) -> Result<(), String> {
        let correlation_id = format!("demo-{}", letter.event_id);
        let text = due_ms.to_string();
        let header = |key, value| Header { key, value: Some(value) };
        let headers = OwnedHeaders::new_with_capacity(3)
            .insert(header("correlation-id", &correlation_id))
            .insert(header("message-id", &letter.event_id))
            .insert(header("timestamp", &text));
        let mut record = BaseRecord::to(&self.topic)
            .key(&letter.key)
            .payload(&letter.value)
            .timestamp(due_ms.cast_signed())
            .headers(headers);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    self.producer.poll(WAIT);
                }
                Err((error, _)) => return Err(format!("the demo can't write: {error}")),
            }
        }
    }

    fn wait_for_the_last(&self) -> Result<(), String> {
        let begun = Instant::now();
        while self.producer.in_flight_count() > 0 {
            if begun.elapsed() > LAST_WITHIN {
                return Err("the embedded broker does not acknowledge the last records".to_owned());
            }
            self.producer.poll(WAIT);
        }
        let mut failed =
            self.producer.context().failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        failed.take().map_or(Ok(()), |error| Err(format!("the embedded broker refused a record: {error}")))
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
