//! What the Kafka tests share: topics of their own on the real cluster, and a worker that drives a source.
#![allow(dead_code, unreachable_pub, reason = "every test binary uses some of it")]

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use thalweg_connectors::kafka::event::SourceEvent;
use thalweg_connectors::kafka::settings::{GroupSettings, KafkaSettings};
use thalweg_connectors::kafka::source::KafkaSource;
use thalweg_core::batch::Batch;
use thalweg_core::position::{Epoch, PartitionId};
use thalweg_core::worker::FetchId;

/// No single step of a test takes longer on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn brokers() -> String {
    thalweg_testbed::servers::kafka()
}

/// A name that no other test, and no other run, uses.
pub fn unique(what: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("connector-{what}-{}-{}", std::process::id(), now.as_nanos())
}

pub fn settings(group: &str) -> KafkaSettings {
    let group = GroupSettings { id: group.to_owned(), ..GroupSettings::default() };
    KafkaSettings { brokers: brokers(), group, ..KafkaSettings::default() }
}

fn client_config() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers());
    config
}

pub fn admin() -> AdminClient<DefaultClientContext> {
    client_config().create().unwrap()
}

pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Makes a topic and waits until it is known.
pub fn create_topic(name: &str, partitions: i32, config: &[(&str, &str)]) {
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for (key, value) in config {
        topic = topic.set(key, value);
    }
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    block_on(admin().create_topics([&topic], &options)).unwrap().remove(0).unwrap();
}

/// Removes the records below that offset.
pub fn delete_records(topic: &str, partition: i32, before: i64) {
    let mut list = rdkafka::TopicPartitionList::new();
    list.add_partition_offset(topic, partition, rdkafka::Offset::Offset(before)).unwrap();
    block_on(admin().delete_records(&list, &rdkafka::admin::AdminOptions::new())).unwrap();
}

/// A record as the tests write it: partition, key, value, headers.
pub type Written = (i32, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>);

/// Writes records with the stock client and waits until the broker has them.
pub fn write(topic: &str, compression: &str, records: impl Iterator<Item = Written>) {
    let mut config = client_config();
    config.set("compression.type", compression).set("linger.ms", "20").set("acks", "all");
    let producer: ThreadedProducer<DefaultProducerContext> = config.create().unwrap();
    for (partition, key, value, headers) in records {
        let mut list = OwnedHeaders::new();
        for (name, value) in &headers {
            list = list.insert(Header { key: name, value: value.as_deref() });
        }
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(partition);
        record.key = key.as_deref();
        record.payload = value.as_deref();
        if !headers.is_empty() {
            record.headers = Some(list);
        }
        while let Err((error, again)) = producer.send(record) {
            let full = rdkafka::types::RDKafkaErrorCode::QueueFull;
            assert_eq!(error.rdkafka_error_code(), Some(full), "{error}");
            producer.poll(Duration::from_millis(10));
            record = again;
        }
    }
    producer.flush(PATIENCE).unwrap();
}

/// Sleeps until the source has something, as a worker does.
#[derive(Default)]
pub struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    pub fn wake(self: &Arc<Self>) -> Arc<dyn Fn() + Send + Sync> {
        let bell = Arc::clone(self);
        Arc::new(move || {
            *bell.rung.lock().unwrap() = true;
            bell.changed.notify_one();
        })
    }

    pub fn wait(&self, longest: Duration) {
        let rung = self.rung.lock().unwrap();
        let (mut rung, _) = self.changed.wait_timeout_while(rung, longest, |rung| !*rung).unwrap();
        *rung = false;
    }
}

/// The least that a worker does with a source: takes assignments up from the committed offsets, reads, counts.
/// Revocations are left to the test.
pub struct TestWorker {
    pub source: KafkaSource,
    pub bell: Arc<Bell>,
    pub owned: HashSet<PartitionId>,
    pub events: Vec<SourceEvent>,
    /// By partition: offset to begin with, whatever is committed.
    pub begin: HashMap<PartitionId, i64>,
    pub next: HashMap<PartitionId, i64>,
    pub records: u64,
    batch: Batch,
    epochs: u32,
    fetches: u64,
}

impl TestWorker {
    pub fn join(settings: &KafkaSettings, topic: &str) -> Self {
        let bell = Arc::new(Bell::default());
        let source = KafkaSource::connect(settings, &[topic], bell.wake()).unwrap();
        Self {
            source,
            bell,
            owned: HashSet::new(),
            events: Vec::new(),
            begin: HashMap::new(),
            next: HashMap::new(),
            records: 0,
            batch: Batch::new(PartitionId(0), Epoch(0)),
            epochs: 0,
            fetches: 0,
        }
    }

    /// One turn; every event is kept in `events` too.
    pub fn turn(&mut self, each: &mut dyn FnMut(&Batch)) {
        self.bell.wait(Duration::from_millis(50));
        for event in self.source.poll_events() {
            match &event {
                SourceEvent::Assigned(partitions) if !partitions.is_empty() => {
                    self.fetches += 1;
                    self.source.fetch_positions(FetchId(self.fetches), partitions);
                }
                SourceEvent::Positions { found, .. } => {
                    let starts: Vec<_> = found
                        .iter()
                        .map(|position| {
                            let committed =
                                position.committed.as_ref().map_or(position.low, |(offset, _)| *offset);
                            let offset = self.begin.get(&position.partition).copied().unwrap_or(committed);
                            self.epochs += 1;
                            (position.partition, Epoch(self.epochs), offset)
                        })
                        .collect();
                    self.owned.extend(starts.iter().map(|(partition, ..)| *partition));
                    self.source.start(&starts);
                }
                SourceEvent::Lost(partitions) => self.owned.retain(|owned| !partitions.contains(owned)),
                SourceEvent::Fatal(reason) => panic!("fatal: {reason}"),
                _ => {}
            }
            self.events.push(event);
        }
        let mut owned: Vec<_> = self.owned.iter().copied().collect();
        owned.sort_unstable();
        for partition in owned {
            while self.source.read(partition, &mut self.batch, 1_000, 1 << 20) > 0 {
                self.records += self.batch.len() as u64;
                self.next.insert(partition, self.batch.last_offset().unwrap() + 1);
                each(&self.batch);
            }
        }
    }

    pub fn release(&mut self, partitions: &[PartitionId]) {
        self.owned.retain(|owned| !partitions.contains(owned));
        self.source.release(partitions);
    }

    /// Turns until `done`, or fails the test.
    pub fn turn_until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let begun = Instant::now();
        while !done(self) {
            assert!(begun.elapsed() < PATIENCE, "no {what} within {PATIENCE:?}; events: {:?}", self.events);
            self.turn(&mut |_| {});
        }
    }

    /// The first event kept that `find` finds something in.
    pub fn event<T>(&self, find: impl FnMut(&SourceEvent) -> Option<T>) -> Option<T> {
        self.events.iter().find_map(find)
    }
}
