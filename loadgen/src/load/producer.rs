//! To the broker and back: sends records, notes what was acknowledged and when.

use super::generator::Record;
use super::hgrm;
use crate::acked::{Acked, AckedWriter, UNKNOWN_OFFSET};
use crate::brokers::Brokers;
use crate::fingerprint::{MESSAGE_ID, fingerprint};
use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Enough to keep the broker busy for half a second at full speed.
const QUEUE_RECORDS: &str = "200000";
const QUEUE_KBYTES: &str = "262144";
/// The largest value (poison `too-large`) is 1 MiB and a byte.
const RECORD_BYTES_MAX: &str = "4194304";
/// How long to wait before trying a full queue again.
const FULL_PAUSE: Duration = Duration::from_micros(500);
const DRAIN_CHECK: Duration = Duration::from_millis(5);

/// What came back so far.
#[derive(Debug)]
pub struct Tally {
    /// Records the broker acknowledged.
    pub acked: u64,
    /// Records it did not take, by error.
    pub failed: BTreeMap<String, u64>,
    /// From due to acknowledged, in microseconds.
    pub latency_us: Histogram<u64>,
    list: Option<AckedWriter>,
    list_error: Option<io::Error>,
}

/// What a record's acknowledgement needs to know of it.
#[derive(Debug)]
pub struct Pending {
    due_ns: u64,
    fingerprint: u64,
}

/// Receives acknowledgements on the client's thread.
#[derive(Debug)]
pub struct Acknowledgements {
    started: Instant,
    tally: Mutex<Tally>,
    trouble: Mutex<Option<String>>,
}

impl ClientContext for Acknowledgements {
    fn error(&self, error: KafkaError, reason: &str) {
        *self.trouble.lock() = Some(format!("{error}: {reason}"));
    }
}

impl ProducerContext for Acknowledgements {
    type DeliveryOpaque = Box<Pending>;

    fn delivery(&self, result: &DeliveryResult<'_>, pending: Self::DeliveryOpaque) {
        let now_ns = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let mut tally = self.tally.lock();
        match result {
            Ok(message) => {
                tally.acked += 1;
                tally.latency_us.saturating_record(now_ns.saturating_sub(pending.due_ns) / 1000);
                let acked = Acked {
                    partition: u32::try_from(message.partition()).unwrap_or(u32::MAX),
                    offset: u64::try_from(message.offset()).unwrap_or(UNKNOWN_OFFSET),
                    fingerprint: pending.fingerprint,
                };
                let written = tally.list.as_mut().map_or(Ok(()), |list| list.add(acked));
                if let Err(error) = written {
                    tally.list_error.get_or_insert(error);
                }
            }
            Err((error, _)) => *tally.failed.entry(error.to_string()).or_default() += 1,
        }
    }
}

/// Sends records to one topic.
pub struct Loader {
    producer: ThreadedProducer<Acknowledgements>,
    topic: String,
    timestamp_text: String,
}

impl Loader {
    /// Connects. `linger_ms` is how long the client may wait to fill a batch, `ack_within` how long it tries to
    /// get a record acknowledged.
    ///
    /// # Errors
    /// When a librdkafka property is unknown or has a bad value.
    pub fn new(
        brokers: &Brokers,
        topic: &str,
        linger_ms: u32,
        ack_within: Duration,
        list: Option<AckedWriter>,
        started: Instant,
    ) -> Result<Self> {
        let (linger_ms, ack_within_ms) = (linger_ms.to_string(), ack_within.as_millis().to_string());
        let config = brokers.config(&[
            ("enable.idempotence", "true"),
            ("compression.type", "lz4"),
            // The same key goes to the same partition as with the Java client.
            ("partitioner", "murmur2_random"),
            ("linger.ms", &linger_ms),
            ("message.timeout.ms", &ack_within_ms),
            ("queue.buffering.max.messages", QUEUE_RECORDS),
            ("queue.buffering.max.kbytes", QUEUE_KBYTES),
            ("message.max.bytes", RECORD_BYTES_MAX),
        ]);
        let tally = Tally {
            acked: 0,
            failed: BTreeMap::new(),
            latency_us: hgrm::latencies(),
            list,
            list_error: None,
        };
        let context = Acknowledgements { started, tally: Mutex::new(tally), trouble: Mutex::new(None) };
        let producer = config.create_with_context(context).context("can't make a Kafka producer")?;
        Ok(Self { producer, topic: topic.to_owned(), timestamp_text: String::new() })
    }

    /// Hands a record to the client, waiting while its queue is full; false when `stop` was set meanwhile.
    ///
    /// # Errors
    /// When the client refuses the record for another reason than a full queue.
    pub fn send(
        &mut self,
        record: &Record,
        due_ns: u64,
        due_unix_ms: i64,
        stop: &AtomicBool,
    ) -> Result<bool> {
        use std::fmt::Write;
        self.timestamp_text.clear();
        write!(self.timestamp_text, "{due_unix_ms}")?;
        let headers = OwnedHeaders::new_with_capacity(3)
            .insert(Header { key: "correlation-id", value: Some(&record.correlation_id) })
            .insert(Header { key: MESSAGE_ID, value: Some(&record.message_id) })
            .insert(Header { key: "timestamp", value: Some(&self.timestamp_text) });
        let fingerprint = fingerprint(record.key(), record.value(), Some(&record.message_id));
        let mut to_send: BaseRecord<'_, [u8], [u8], _> =
            BaseRecord::with_opaque_to(&self.topic, Box::new(Pending { due_ns, fingerprint }))
                .timestamp(due_unix_ms)
                .headers(headers);
        to_send.key = record.key();
        to_send.payload = record.value();
        loop {
            match self.producer.send(to_send) {
                Ok(()) => return Ok(true),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    if stop.load(Ordering::Relaxed) {
                        return Ok(false);
                    }
                    std::thread::sleep(FULL_PAUSE);
                    to_send = again;
                }
                Err((error, _)) => {
                    return Err(error).context(format!("can't send to topic {}", self.topic));
                }
            }
        }
    }

    /// How many records the broker acknowledged so far.
    pub fn acked(&self) -> u64 {
        self.producer.context().tally.lock().acked
    }

    /// The last trouble the client reported (a broker that can't be reached, say).
    pub fn trouble(&self) -> Option<String> {
        self.producer.context().trouble.lock().clone()
    }

    /// Waits until every record was acknowledged or given up, and returns what became of them.
    ///
    /// # Errors
    /// When the list of acknowledged records could not be written.
    pub fn finish(self, within: Duration) -> Result<Tally> {
        let deadline = Instant::now() + within;
        while self.producer.in_flight_count() > 0 && Instant::now() < deadline {
            std::thread::sleep(DRAIN_CHECK);
        }
        let mut tally = self.producer.context().tally.lock();
        if let Some(error) = tally.list_error.take() {
            return Err(error).context("can't write the list of acknowledged records");
        }
        if let Some(list) = &mut tally.list {
            list.flush().context("can't write the list of acknowledged records")?;
        }
        let empty = Tally {
            acked: 0,
            failed: BTreeMap::new(),
            latency_us: hgrm::latencies(),
            list: None,
            list_error: None,
        };
        Ok(std::mem::replace(&mut *tally, empty))
    }
}
