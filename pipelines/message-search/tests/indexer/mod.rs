//! What the tests on real servers share: a place with names of its own, the program as a user starts it, records to
//! write, and the verdict of a reader that knows nothing of the engine.
#![allow(dead_code, unreachable_pub, reason = "every test binary uses some of it")]

pub mod index;
pub mod program;
pub mod records;
pub mod topics;
pub mod verdict;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use program::Launch;
use rdkafka::error::KafkaResult;
use records::Written;
use tempfile::TempDir;
use thalweg_testbed::instance::{Instance, PATIENCE};
use thalweg_testbed::process::POLL_INTERVAL;
use topics::Position;

/// Servers, and names that no other test, and no other run, uses. Topics and index go with it.
pub struct Scene {
    /// Kafka's `HOST:PORT`.
    pub brokers: String,
    /// Elasticsearch's URL, with nothing in between.
    pub elasticsearch: String,
    /// The topic; the dead letters' is this and `.dlq`.
    pub topic: String,
    /// The consumer group.
    pub group: String,
    /// What readers search.
    pub alias: String,
    folder: TempDir,
    launches: AtomicU32,
}

impl Scene {
    /// On the shared servers, with a topic of that many partitions.
    pub fn new(what: &str, partitions: i32) -> Self {
        let (kafka, elasticsearch) =
            (thalweg_testbed::servers::kafka(), thalweg_testbed::servers::elasticsearch());
        Self::on(&kafka, &elasticsearch, what, partitions)
    }

    /// On these servers.
    pub fn on(brokers: &str, elasticsearch: &str, what: &str, partitions: i32) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let name = format!("indexer-{what}-{}-{}", std::process::id(), now.as_micros());
        // A megabyte and what is around it passes.
        topics::create(brokers, &name, partitions, &[("max.message.bytes", "4000000")]);
        Self {
            brokers: brokers.to_owned(),
            elasticsearch: elasticsearch.to_owned(),
            group: format!("{name}-group"),
            alias: format!("{name}-alias"),
            topic: name,
            folder: TempDir::new().unwrap(),
            launches: AtomicU32::new(0),
        }
    }

    /// The dead-letter topic.
    pub fn dead_letters(&self) -> String {
        format!("{}.dlq", self.topic)
    }

    /// How the program is started here: short intervals, everything else as by default.
    pub fn launch(&self) -> Launch {
        let number = self.launches.fetch_add(1, Ordering::Relaxed);
        Launch::new(self.folder.path().join(format!("{number}"))).set(&[
            &format!("kafka.brokers={}", self.brokers),
            &format!("kafka.group.id={}", self.group),
            &format!("source.topic={}", self.topic),
            &format!("elasticsearch.nodes=[\"{}\"]", self.elasticsearch),
            &format!("elasticsearch.alias={}", self.alias),
            "elasticsearch.replicas=0",
            "engine.commit_interval_ms=100",
            "engine.topic_check_interval_ms=1000",
            "engine.admin_listen=127.0.0.1:0",
        ])
    }

    /// Starts the program with some more settings, and waits until it has its partitions.
    pub fn start(&self, settings: &[&str]) -> Instance {
        let mut indexer = self.launch().set(settings).start();
        indexer.wait_ready();
        indexer
    }

    /// Writes records and answers where they are.
    pub fn write(&self, records: &[Written]) -> Vec<Position> {
        topics::write(&self.brokers, &self.topic, records)
    }

    /// How many records of the topic the group has not committed.
    pub fn unfinished(&self) -> KafkaResult<i64> {
        topics::unfinished(&self.brokers, &self.topic, &self.group)
    }

    /// Waits until everything on the topic is finished and committed.
    pub fn wait_finished(&self, indexer: &mut Instance) {
        let begun = Instant::now();
        loop {
            let left = self.unfinished();
            if matches!(left, Ok(0)) {
                return;
            }
            if let Some(code) = indexer.ended() {
                panic!("the indexer ended with {code}:\n{}", indexer.log());
            }
            assert!(begun.elapsed() < PATIENCE, "records not finished: {left:?}\n{}", indexer.log());
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Waits as [`wait_finished`](Self::wait_finished), stops the program, and expects a clean end.
    pub fn finish(&self, mut indexer: Instance) {
        self.wait_finished(&mut indexer);
        let ended = indexer.stop();
        assert_eq!(ended.code, 0, "{}", ended.log);
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // What is left on servers that are gone, or was never made, bothers nobody.
        topics::delete(&self.brokers, &[&self.topic, &self.dead_letters()]);
        index::remove(&self.elasticsearch, &self.alias);
    }
}
