//! What one test has to itself: topics, a group, a folder; gone afterwards.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;
use thalweg_testbed::instance::{self, Instance};

use crate::topics;

/// The secret of all tokens.
pub(crate) const SECRET: &str = "only-for-tests-only-for-tests-only";

/// The command, with nothing set but the secret.
pub(crate) fn command() -> Command {
    let mut command = instance::command(env!("CARGO_BIN_EXE_counters"));
    command.env("TOKEN_SECRET", SECRET);
    command
}

pub(crate) struct Scene {
    pub(crate) brokers: String,
    /// The topic of commands; names of all else begin with it.
    pub(crate) source: String,
    folder: TempDir,
    launches: AtomicU32,
}

impl Scene {
    /// On the shared Kafka, with a topic of commands of so many partitions.
    pub(crate) fn new(what: &str, partitions: i32) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let scene = Self {
            brokers: thalweg_testbed::servers::kafka(),
            source: format!("counters-{what}-{}-{}", std::process::id(), now.as_micros()),
            folder: TempDir::new().unwrap(),
            launches: AtomicU32::new(0),
        };
        topics::create(&scene.brokers, &scene.source, partitions);
        scene
    }

    pub(crate) fn replies(&self) -> String {
        format!("{}.replies", self.source)
    }

    /// The topic of what is shown.
    pub(crate) fn view(&self) -> String {
        format!("{}.view", self.source)
    }

    fn group(&self) -> String {
        format!("{}.group", self.source)
    }

    /// The program with everything of this scene, and what tests can't wait for set short.
    pub(crate) fn command(&self, settings: &[&str]) -> Command {
        let mut command = command();
        let of_scene = [
            format!("kafka.brokers={}", self.brokers),
            format!("kafka.group.id={}", self.group()),
            format!("topics.source={}", self.source),
            format!("topics.view={}", self.view()),
            format!("commands.replies_topic={}", self.replies()),
            "commands.replies_partitions=2".to_owned(),
            "commands.listen=127.0.0.1:0".to_owned(),
            "kafka.group.session_timeout_ms=6000".to_owned(),
            "kafka.group.heartbeat_interval_ms=1000".to_owned(),
            "transactions.timeout_ms=8000".to_owned(),
            "engine.admin_listen=127.0.0.1:0".to_owned(),
        ];
        for setting in of_scene.iter().map(String::as_str).chain(settings.iter().copied()) {
            command.args(["--set", setting]);
        }
        command
    }

    /// Starts an instance.
    pub(crate) fn start(&self, settings: &[&str]) -> Instance {
        let launch = self.launches.fetch_add(1, Ordering::Relaxed);
        Instance::start(self.command(settings), self.folder.path().join(launch.to_string()))
    }

    /// Starts an instance and waits until it has its partitions.
    pub(crate) fn start_ready(&self, settings: &[&str]) -> Instance {
        let mut instance = self.start(settings);
        instance.wait_ready();
        instance
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let changelog = format!("{}.counter.changelog", self.group());
        let letters = format!("{}.dlq", self.source);
        let all = [&self.source, &self.view(), &self.replies(), &changelog, &letters];
        topics::delete(&self.brokers, &all.map(String::as_str));
    }
}
