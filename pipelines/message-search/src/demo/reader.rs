//! Reads along from record 0 and fails on a gap; then compares the index with what a sequential reader expects. Its
//! rules are the verifier's, which knows nothing of the engine.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use loadgen::verify::compare;
use loadgen::verify::elasticsearch::Elasticsearch;
use loadgen::verify::reader::Reader;
use loadgen::verify::reason::Position;
use loadgen::verify::topic::record;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use thalweg::demo::{Place, Verified};

use super::Shared;
use crate::settings::Settings;

const POLL: Duration = Duration::from_millis(50);

/// How long nothing may come although more was acknowledged.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// The verifier, connected.
pub(super) struct Verifier {
    consumer: BaseConsumer,
    /// Of each partition, the offset that must come next.
    next: Vec<u64>,
    window: u64,
    index_url: String,
    alias: String,
    shared: Arc<Shared>,
}

impl Verifier {
    pub(super) fn connect(settings: &Settings, place: &Place, shared: Arc<Shared>) -> Result<Self, String> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &place.at.brokers);
        // Needed by the client; nothing is committed.
        config.set("group.id", "demo-verifier").set("enable.auto.commit", "false");
        // What is gone before it was read is a gap.
        config.set("auto.offset.reset", "error").set("fetch.queue.backoff.ms", "5");
        let consumer: BaseConsumer = config.create().map_err(|error| error.to_string())?;
        let mut all = TopicPartitionList::new();
        for partition in 0..place.partitions {
            let added = all.add_partition_offset(&place.topic, partition.cast_signed(), Offset::Offset(0));
            added.map_err(|error| error.to_string())?;
        }
        consumer.assign(&all).map_err(|error| error.to_string())?;
        let known = consumer.fetch_metadata(Some(&place.topic), Duration::from_secs(10));
        known.map_err(|error| format!("the embedded broker does not answer: {error}"))?;
        Ok(Self {
            consumer,
            next: vec![0; place.partitions as usize],
            window: settings.dedupe.window,
            index_url: place.at.index_url.clone(),
            alias: settings.elasticsearch.alias.clone(),
            shared,
        })
    }

    pub(super) fn run(mut self) -> Result<Verified, String> {
        let mut reader = Reader::new(self.window);
        self.read_all(&mut reader)?;
        while !self.shared.settled.load(Ordering::Acquire) {
            std::thread::sleep(POLL);
        }
        self.compare(reader)
    }

    /// Reads until everything that was acknowledged was read.
    fn read_all(&mut self, reader: &mut Reader) -> Result<(), String> {
        let mut heard = Instant::now();
        loop {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    take(&mut self.next, reader, &message)?;
                    continue;
                }
                Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset))) => {
                    return Err("the broker dropped records before the verifier had read them".to_owned());
                }
                // The client tries again by itself; if that is in vain, silence ends it.
                Some(Err(_)) | None => {}
            }
            let over = self.shared.over.load(Ordering::Acquire);
            let written = self.shared.written.load(Ordering::Acquire);
            if over && reader.records >= written {
                return Ok(());
            }
            if reader.records >= written {
                heard = Instant::now();
            } else if heard.elapsed() > SILENCE_MAX {
                return Err(format!("only {} of {written} records can be read back", reader.records));
            }
        }
    }

    fn compare(self, mut reader: Reader) -> Result<Verified, String> {
        let mut index =
            Elasticsearch::new(&self.index_url, &self.alias, None).map_err(|error| format!("{error:#}"))?;
        let found = compare::compare(&mut reader.documents, &mut index);
        let found = found.map_err(|error| format!("the index can't be compared: {error:#}"))?;
        let wrong = [&found.lost, &found.stale, &found.extra];
        Ok(Verified {
            written: reader.records,
            documents: found.visible,
            lost: found.lost.count,
            reordered: found.stale.count,
            wrong_documents: wrong.iter().map(|examples| examples.count).sum(),
            examples: wrong.into_iter().flat_map(|examples| examples.named.clone()).collect(),
        })
    }
}

fn take(next: &mut [u64], reader: &mut Reader, message: &BorrowedMessage<'_>) -> Result<(), String> {
    let position =
        Position { partition: message.partition().unsigned_abs(), offset: message.offset().unsigned_abs() };
    let Some(expected) = next.get_mut(position.partition as usize) else {
        return Err(format!("{position}: there is no such partition"));
    };
    if *expected != position.offset {
        return Err(format!("{position}: came where offset {expected} should have come"));
    }
    *expected += 1;
    reader.read(position, &record(message));
    Ok(())
}
