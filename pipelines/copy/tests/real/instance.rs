//! The program, started as a user starts it.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::scene::{PATIENCE, holds_within, until};

/// Lines of the log that a failed test shows.
const TAIL_LINES: usize = 40;

/// The command, with nothing set.
pub(crate) fn command() -> Command {
    of_binary(env!("CARGO_BIN_EXE_copy"))
}

/// The command of the program with two flows.
pub(crate) fn command_with_audit() -> Command {
    of_binary(env!("CARGO_BIN_EXE_copy-and-audit"))
}

fn of_binary(path: &str) -> Command {
    let mut command = Command::new(path);
    for name in ["KAFKA_BROKERS", "KAFKA_GROUP_ID", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; -1 when a signal ended it.
    pub(crate) code: i32,
    /// What it wrote to standard output.
    pub(crate) output: String,
    /// What it wrote to standard error.
    pub(crate) log: String,
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

    /// The sum of a metric over all its lines.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let (status, text) = self.get("/metrics")?;
        let lines = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        let values: Vec<f64> = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse().ok()).collect();
        (status && !values.is_empty()).then(|| values.iter().sum())
    }

    /// Whether the admin page answers with success, and what.
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
        self.end_at_once();
    }

    /// Asks it to stop and waits for its end.
    pub(crate) fn stop(mut self) -> Ended {
        self.signal(Signal::TERM);
        until("the program stops", || self.ended().is_some());
        self.wait_end()
    }

    /// Waits for its end, which must come by itself.
    pub(crate) fn wait_end(mut self) -> Ended {
        assert!(holds_within(PATIENCE, || self.ended().is_some()), "it still runs:\n{}", self.log());
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        let output = std::fs::read_to_string(self.files.with_extension("out")).unwrap();
        Ended { code, output, log: self.log() }
    }

    fn end_at_once(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.end_at_once();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            eprintln!(
                "--- {}\n{}",
                self.files.display(),
                lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
            );
        }
    }
}
