//! What one test has to itself: a topic, and dead letters of it as a flow writes them; gone afterwards.

use std::time::{SystemTime, UNIX_EPOCH};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use thalweg::dead_letters::HEADER_NAMES;

use crate::command::{Ended, PATIENCE, run, until};

/// A dead letter to be written.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) partition: i32,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
    /// The record's own headers.
    pub(crate) own: Vec<(String, String)>,
    /// Where the record lies in its partition.
    pub(crate) offset: i64,
    pub(crate) reason: String,
    pub(crate) failed_ms: i64,
    /// Behind the headers that every letter has.
    pub(crate) beyond: Vec<(&'static str, &'static str)>,
}

/// The letter of the record at that offset.
pub(crate) fn letter(partition: i32, offset: i64, key: &str, reason: &str) -> Letter {
    let own = vec![("message-id".to_owned(), format!("e{partition}-{offset}"))];
    Letter {
        partition,
        key: Some(key.to_owned()),
        value: Some(format!("value {offset}")),
        own,
        offset,
        reason: reason.to_owned(),
        failed_ms: 1_000_000 + offset,
        beyond: Vec::new(),
    }
}

/// A record as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) headers: Vec<(String, Option<String>)>,
}

impl Found {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().rfind(|(found, _)| found == name)?.1.as_deref()
    }
}

/// See the module's text.
pub(crate) struct Scene {
    pub(crate) brokers: String,
    pub(crate) topic: String,
    partitions: i32,
}

impl Scene {
    pub(crate) fn new(what: &str, partitions: i32) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let topic = format!("dlq-{what}-{}-{}", std::process::id(), now.as_micros());
        let scene = Self { brokers: thalweg_testbed::servers::kafka(), topic, partitions };
        scene.create(&scene.topic, partitions, &[]);
        scene.create(&scene.letters(), partitions, &[]);
        scene
    }

    /// The dead-letter topic.
    pub(crate) fn letters(&self) -> String {
        format!("{}.dlq", self.topic)
    }

    /// Another topic of the test; also removed.
    pub(crate) fn other(&self) -> String {
        format!("{}-other", self.topic)
    }

    pub(crate) fn create(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let made = wait_for(self.admin().create_topics([&topic], &AdminOptions::new()));
        made.unwrap().remove(0).unwrap();
        let consumer: BaseConsumer = self.config().create().unwrap();
        until("the topic is known", || {
            let found = consumer.fetch_metadata(Some(name), PATIENCE).unwrap();
            found.topics().first().is_some_and(|topic| topic.partitions().len() == partitions as usize)
        });
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config().create().unwrap()
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config
    }

    /// Writes letters in order.
    pub(crate) fn write(&self, letters: &[Letter]) {
        let producer: BaseProducer = self.config().set("enable.idempotence", "true").create().unwrap();
        let topic = self.letters();
        for letter in letters {
            let of_flow = [
                self.topic.clone(),
                letter.partition.to_string(),
                letter.offset.to_string(),
                "500".to_owned(),
                "search".to_owned(),
                "index".to_owned(),
                letter.reason.clone(),
                "it was not to be".to_owned(),
                "1".to_owned(),
                "900000".to_owned(),
                letter.failed_ms.to_string(),
            ];
            let mut headers = OwnedHeaders::new();
            let own = letter.own.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let ours = HEADER_NAMES.into_iter().zip(of_flow.iter().map(String::as_str));
            for (key, value) in own.chain(ours).chain(letter.beyond.iter().copied()) {
                headers = headers.insert(Header { key, value: Some(value) });
            }
            let mut record: BaseRecord<'_, str, str> =
                BaseRecord::to(&topic).partition(letter.partition).headers(headers);
            record.key = letter.key.as_deref();
            record.payload = letter.value.as_deref();
            producer.send(record).map_err(|(error, _)| error).unwrap();
            producer.poll(std::time::Duration::ZERO);
        }
        producer.flush(PATIENCE).unwrap();
    }

    /// Every committed record of a topic, by partition and offset.
    pub(crate) fn read(&self, topic: &str) -> Vec<Found> {
        let consumer: BaseConsumer = self
            .config()
            .set("group.id", "nobody")
            .set("enable.partition.eof", "true")
            .set("enable.auto.commit", "false")
            .create()
            .unwrap();
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
        let partitions = metadata.topics()[0].partitions();
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        let (mut found, mut open) = (Vec::new(), partitions.len());
        until("the topic is read", || {
            match consumer.poll(PATIENCE) {
                Some(Ok(message)) => found.push(found_of(&message)),
                Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
                other => panic!("{other:?}"),
            }
            open == 0
        });
        found.sort_by_key(|record: &Found| (record.partition, record.offset));
        found
    }

    /// One above the newest record or marker, of all partitions together.
    pub(crate) fn ends(&self, topic: &str) -> i64 {
        let consumer: BaseConsumer = self.config().create().unwrap();
        (0..self.partitions).map(|number| consumer.fetch_watermarks(topic, number, PATIENCE).unwrap().1).sum()
    }

    /// The arguments that lead here.
    pub(crate) fn line(&self, command: &str, more: &str) -> String {
        format!("dlq {command} --brokers {} --topic {} {more}", self.brokers, self.letters())
    }

    /// Replays, with a report in JSON.
    pub(crate) fn replay(&self, more: &str) -> Ended {
        run(&self.line("replay --report json", more))
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // What was never made can't be deleted, and that is fine.
        let names = [self.topic.as_str(), &self.letters(), &self.other()];
        let _ = wait_for(self.admin().delete_topics(&names, &AdminOptions::new()));
    }
}

fn wait_for<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn found_of<M: Message>(message: &M) -> Found {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let headers = message.headers().map(|headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.map(text))).collect()
    });
    Found {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(text),
        value: message.payload().map(text),
        headers: headers.unwrap_or_default(),
    }
}
