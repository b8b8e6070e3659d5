//! A pipeline binary under test, started as a user starts it, and the waiting for what it does. Ends the test at the first
//! surprise.
#![allow(clippy::unwrap_used, clippy::panic, reason = "it is part of tests")]

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::process::wait_until;

/// No single step of a test takes longer on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Lines of the log that a failed test shows.
const TAIL_LINES: usize = 40;

/// Waits until `done`.
///
/// # Panics
/// With `what` was waited for, when that takes longer than [`PATIENCE`].
pub fn until(what: &str, done: impl FnMut() -> bool) {
    assert!(wait_until(PATIENCE, done), "{what}: not within {PATIENCE:?}");
}

/// The command of a binary, with an environment that sets nothing.
#[must_use]
pub fn command(binary: &str) -> Command {
    let mut command = Command::new(binary);
    for name in
        ["KAFKA_BROKERS", "KAFKA_GROUP_ID", "ELASTICSEARCH_NODES", "PROVIDER_URL", "TOKEN_SECRET", "RUST_LOG"]
    {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; -1 when a signal ended it.
    pub code: i32,
    /// What it wrote to standard output.
    pub output: String,
    /// What it wrote to standard error.
    pub log: String,
}

/// A started program; killed when dropped.
pub struct Instance {
    child: Child,
    files: PathBuf,
}

impl Instance {
    /// Starts it; output goes to files whose names begin so.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn start(mut command: Command, files: PathBuf) -> Self {
        let file = |end: &str| File::create(files.with_extension(end)).unwrap();
        let child = command.stdout(file("out")).stderr(file("log")).spawn().unwrap();
        Self { child, files }
    }

    /// Its log so far.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.files.with_extension("log")).unwrap()
    }

    /// The exit code, once it has ended; -1 when a signal ended it.
    ///
    /// # Panics
    /// When somebody else has waited for it.
    pub fn ended(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().map(|status| status.code().unwrap_or(-1))
    }

    /// Waits until the log says so.
    ///
    /// # Panics
    /// When it does not.
    pub fn wait_log(&mut self, what: &str) {
        self.wait_line(&[what]);
    }

    /// Waits until a line of the log says all of that; the line.
    ///
    /// # Panics
    /// When none does.
    pub fn wait_line(&mut self, what: &[&str]) -> String {
        let find = |log: String| {
            log.lines().find(|line| what.iter().all(|part| line.contains(part))).map(str::to_owned)
        };
        wait_until(PATIENCE, || self.ended().is_some() || find(self.log()).is_some());
        find(self.log()).unwrap_or_else(|| panic!("it does not say {what:?}:\n{}", self.log()))
    }

    /// Waits until it takes requests, for the service of that name (empty: the only one); where.
    ///
    /// # Panics
    /// When it does not.
    pub fn address(&mut self, service: &str) -> String {
        let line = self.wait_line(&["commands at: http://", service]);
        let (_, rest) = line.split_once("http://").unwrap();
        rest.split_once('/').unwrap().0.to_owned()
    }

    /// Waits until all its flows have their partitions and their state.
    ///
    /// # Panics
    /// When they don't get them.
    pub fn wait_ready(&mut self) {
        self.wait_log("admin page: ");
        until("it is ready", || {
            assert!(self.ended().is_none(), "it has ended:\n{}", self.log());
            self.is_ready()
        });
    }

    /// Whether it says that it is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.get("/readyz").is_some_and(|(ready, _)| ready)
    }

    /// Waits until [`Instance::metric`] is `expected`: what is shown is up to a second older than what is committed.
    ///
    /// # Panics
    /// With what it is when that does not come.
    pub fn wait_metric(&self, name: &str, label: &str, expected: f64) {
        let mut shown = f64::NAN;
        let is_reached = wait_until(PATIENCE, || {
            shown = self.metric(name, label);
            shown == expected
        });
        assert!(is_reached, "{name} of {label:?} is {shown}, not {expected}");
    }

    /// The sum of a metric's lines that contain `label`, 0 when there are none; not a number, so that nothing compares to it,
    /// while the admin page does not answer.
    #[must_use]
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        let Some((true, text)) = self.get("/metrics") else { return f64::NAN };
        let lines =
            text.lines().filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(label));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// Where the live page of one that is ready is.
    ///
    /// # Panics
    /// When it has not said so.
    #[must_use]
    pub fn page(&self) -> String {
        let log = self.log();
        let (_, rest) = log.split_once("live page: ").unwrap();
        rest.lines().next().unwrap_or_default().trim().to_owned()
    }

    /// What the admin page says at that path, and whether it is a success.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<(bool, String)> {
        let log = self.log();
        let (_, rest) = log.split_once("admin page: ")?;
        let (page, _) = rest.split_once("/metrics")?;
        let answer = reqwest::blocking::get(format!("{page}{path}")).ok()?;
        Some((answer.status().is_success(), answer.text().ok()?))
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When it has ended.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to stop and waits for its end.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        self.wait_end()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it goes on.
    #[must_use]
    pub fn wait_end(self) -> Ended {
        self.wait_end_within(PATIENCE)
    }

    /// Waits for its end, which must come soon.
    ///
    /// # Panics
    /// When it goes on.
    #[must_use]
    pub fn wait_end_within(mut self, limit: Duration) -> Ended {
        let has_ended = wait_until(limit, || self.ended().is_some());
        assert!(has_ended, "it still runs after {limit:?}:\n{}", self.log());
        let code = self.ended().unwrap();
        let output = std::fs::read_to_string(self.files.with_extension("out")).unwrap();
        Ended { code, output, log: self.log() }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(TAIL_LINES)..];
            eprintln!("--- {}\n{}", self.files.display(), tail.join("\n"));
        }
    }
}
