//! The program, started as a user starts it.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::scene::{PATIENCE, holds_within, until};

/// The secret of all tokens.
pub(crate) const SECRET: &str = "only-for-tests-only-for-tests-only";

/// The command, with nothing set but the secret.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_counters"));
    for name in ["KAFKA_BROKERS", "KAFKA_GROUP_ID", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.env("TOKEN_SECRET", SECRET).stdin(Stdio::null());
    command
}

/// A started program; killed when dropped.
pub(crate) struct Instance {
    child: Child,
    files: PathBuf,
}

impl Instance {
    /// Starts it; output goes to files whose names begin so.
    pub(crate) fn start(mut command: Command, files: PathBuf) -> Self {
        let file = |end: &str| File::create(files.with_extension(end)).unwrap();
        let child = command.stdout(file("out")).stderr(file("log")).spawn().unwrap();
        Self { child, files }
    }

    /// Its log so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.files.with_extension("log")).unwrap()
    }

    /// The exit code, once it has ended; -1 when a signal ended it.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().map(|status| status.code().unwrap_or(-1))
    }

    /// Waits until the log says so.
    pub(crate) fn wait_log(&mut self, what: &str) {
        let said = holds_within(PATIENCE, || self.ended().is_some() || self.log().contains(what));
        assert!(said && self.log().contains(what), "it does not say {what:?}:\n{}", self.log());
    }

    /// Waits until it takes requests; where.
    pub(crate) fn address(&mut self) -> String {
        self.wait_log("commands at: http://");
        let log = self.log();
        let (_, rest) = log.split_once("commands at: http://").unwrap();
        rest.split_once('/').unwrap().0.to_owned()
    }

    /// Waits until it has its partitions and their state.
    pub(crate) fn wait_ready(&mut self) {
        self.wait_log("admin page: ");
        until("it is ready", || {
            assert!(self.ended().is_none(), "it has ended:\n{}", self.log());
            self.log().contains("state restored") && self.get("/readyz").is_some_and(|(ready, _)| ready)
        });
    }

    /// The sum of a metric's lines that contain `label`.
    pub(crate) fn metric(&self, name: &str, label: &str) -> f64 {
        let text = self.get("/metrics").unwrap().1;
        let lines =
            text.lines().filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(label));
        lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
    }

    /// What the admin page says at that path, and whether it is a success.
    pub(crate) fn get(&self, path: &str) -> Option<(bool, String)> {
        let log = self.log();
        let (_, rest) = log.split_once("admin page: ")?;
        let (page, _) = rest.split_once("/metrics")?;
        let answer = reqwest::blocking::get(format!("{page}{path}")).ok()?;
        Some((answer.status().is_success(), answer.text().ok()?))
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn kill(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to stop and waits for its end; the exit code.
    pub(crate) fn stop(mut self) -> i32 {
        self.signal(Signal::TERM);
        self.wait_end()
    }

    /// Waits for its end; the exit code.
    pub(crate) fn wait_end(&mut self) -> i32 {
        until("the program ends", || self.ended().is_some());
        self.ended().unwrap()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.files.display(), self.log());
        }
    }
}
