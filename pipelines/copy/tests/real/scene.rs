//! What one test has to itself: topics, a group, a folder; gone afterwards.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;
use thalweg_testbed::instance::{self, Instance, PATIENCE};
use thalweg_testbed::process::POLL_INTERVAL;

use crate::topics;

/// The command, with nothing set.
pub(crate) fn command() -> Command {
    instance::command(env!("CARGO_BIN_EXE_copy"))
}

/// The command of the program with two flows.
pub(crate) fn command_with_audit() -> Command {
    instance::command(env!("CARGO_BIN_EXE_copy-and-audit"))
}

pub(crate) struct Scene {
    pub(crate) brokers: String,
    /// The source; names of all else begin with it.
    pub(crate) source: String,
    pub(crate) partitions: i32,
    folder: TempDir,
    launches: AtomicU32,
}

impl Scene {
    /// On the shared Kafka, with topics of so many partitions.
    pub(crate) fn new(what: &str, partitions: i32) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let scene = Self {
            brokers: thalweg_testbed::servers::kafka(),
            source: format!("copy-{what}-{}-{}", std::process::id(), now.as_micros()),
            partitions,
            folder: TempDir::new().unwrap(),
            launches: AtomicU32::new(0),
        };
        for topic in [scene.source.clone(), scene.copies(), scene.counts()] {
            topics::create(&scene.brokers, &topic, partitions, &[]);
        }
        scene
    }

    pub(crate) fn copies(&self) -> String {
        format!("{}.copies", self.source)
    }

    pub(crate) fn counts(&self) -> String {
        format!("{}.counts", self.source)
    }

    pub(crate) fn group(&self) -> String {
        format!("{}.group", self.source)
    }

    /// The group of the other flow.
    pub(crate) fn audit_group(&self) -> String {
        format!("{}.audit", self.source)
    }

    pub(crate) fn changelog(&self) -> String {
        format!("{}.copy_and_count.changelog", self.group())
    }

    pub(crate) fn dead_letters(&self) -> String {
        format!("{}.dlq", self.source)
    }

    /// The program with everything of this scene, and what tests can't wait for set short.
    pub(crate) fn command(&self, name: &str, settings: &[&str]) -> Command {
        self.of_scene(command(), name, settings)
    }

    /// The program with two flows, with everything of this scene.
    pub(crate) fn command_with_audit(&self, name: &str, settings: &[&str]) -> Command {
        let audit = format!("audit.group={}", self.audit_group());
        self.of_scene(command_with_audit(), name, &[&[audit.as_str()], settings].concat())
    }

    fn of_scene(&self, mut command: Command, name: &str, settings: &[&str]) -> Command {
        let of_scene = [
            format!("kafka.brokers={}", self.brokers),
            format!("kafka.group.id={}", self.group()),
            format!("topics.source={}", self.source),
            format!("topics.copies={}", self.copies()),
            format!("topics.counts={}", self.counts()),
            format!("transactions.instance={name}"),
            "kafka.group.session_timeout_ms=6000".to_owned(),
            "kafka.group.heartbeat_interval_ms=1000".to_owned(),
            "transactions.timeout_ms=8000".to_owned(),
            "topics.dedupe_window=5000".to_owned(),
            "engine.admin_listen=127.0.0.1:0".to_owned(),
        ];
        for setting in of_scene.iter().map(String::as_str).chain(settings.iter().copied()) {
            command.args(["--set", setting]);
        }
        command
    }

    /// Starts the instance of that name.
    pub(crate) fn start(&self, name: &str, settings: &[&str]) -> Instance {
        self.spawn(name, self.command(name, settings))
    }

    pub(crate) fn spawn(&self, name: &str, command: Command) -> Instance {
        let launch = self.launches.fetch_add(1, Ordering::Relaxed);
        Instance::start(command, self.folder.path().join(format!("{launch}-{name}")))
    }

    /// Waits until the group has committed everything there is.
    pub(crate) fn wait_finished(&self, instances: &mut [Instance]) {
        let begun = Instant::now();
        loop {
            let left = topics::uncommitted(&self.brokers, &self.source, &self.group());
            if matches!(left, Ok(0)) {
                return;
            }
            for instance in instances.iter_mut() {
                assert_eq!(instance.ended(), None, "it has ended:\n{}", instance.log());
            }
            let late = begun.elapsed() > PATIENCE;
            if late {
                instances.iter().for_each(|instance| eprintln!("{}", instance.log()));
            }
            assert!(!late, "records are left: {left:?}");
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let audited = format!("{}.dlq", self.counts());
        let names =
            [&self.source, &self.copies(), &self.counts(), &self.changelog(), &self.dead_letters(), &audited];
        topics::delete(&self.brokers, &names.map(String::as_str));
    }
}
