//! The binary, started as a user does.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use thalweg_testbed::servers;

use crate::scene::{PATIENCE, Scene, until};

/// A running or ended indexer.
pub(crate) struct Indexer {
    child: Child,
    folder: tempfile::TempDir,
}

/// How one ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

/// The bare command, with an environment that sets nothing.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_message-indexer"));
    command.args(args).env_remove("KAFKA_BROKERS").env_remove("RUST_LOG");
    command
}

impl Indexer {
    /// On the scene's topic, group and alias; `more` are further arguments.
    pub(crate) fn start(scene: &Scene, more: &[&str]) -> Self {
        let name = &scene.name;
        let settings = [
            format!("kafka.brokers={}", servers::kafka()),
            format!("source.topic={name}"),
            format!("kafka.group.id={name}"),
            format!("elasticsearch.nodes=[\"{}\"]", servers::elasticsearch()),
            format!("elasticsearch.alias={name}"),
            "elasticsearch.replicas=0".to_owned(),
            "engine.admin_listen=127.0.0.1:0".to_owned(),
            "engine.commit_interval_ms=100".to_owned(),
        ];
        let mut args: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        args.extend(more);
        Self::spawn(command(&args))
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name| fs::File::create(folder.path().join(name)).unwrap();
        command.stdin(Stdio::null()).stdout(file("out")).stderr(file("err"));
        Self { child: command.spawn().unwrap(), folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What it has logged so far.
    pub(crate) fn errors(&self) -> String {
        fs::read_to_string(self.path("err")).unwrap()
    }

    /// Waits until it has logged that.
    pub(crate) fn says(&self, what: &str) {
        until(&format!("{what:?} in the log"), || self.errors().contains(what).then_some(()));
    }

    /// Where its admin page is.
    pub(crate) fn admin(&self) -> String {
        until("the admin page's address", || {
            let errors = self.errors();
            let (_, rest) = errors.split_once("admin page: ")?;
            Some(rest.split_once("/metrics")?.0.to_owned())
        })
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id() as i32).unwrap(), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn ended(self) -> Ended {
        self.ended_within(PATIENCE)
    }

    /// Waits for its end, which must come soon.
    pub(crate) fn ended_within(mut self, limit: Duration) -> Ended {
        let begun = Instant::now();
        let status: ExitStatus = until("the end of the indexer", || self.child.try_wait().unwrap());
        let took = begun.elapsed();
        let output = fs::read_to_string(self.path("out")).unwrap();
        let errors = self.errors();
        assert!(took < limit, "it took {took:?}: {errors}");
        Ended { code: status.code(), output, errors }
    }

    /// Asks it to stop, and waits.
    pub(crate) fn stopped(self) -> Ended {
        self.signal(Signal::TERM);
        self.ended()
    }
}

impl Drop for Indexer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
