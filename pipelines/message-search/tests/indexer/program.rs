//! The program, started as a user starts it.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{PATIENCE, holds_within, until};

/// Lines of the log that a failed test shows.
const TAIL_LINES: usize = 40;

/// A command line.
pub struct Launch {
    command: Command,
    files: PathBuf,
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; -1 when a signal ended it.
    pub code: i32,
    /// What it wrote to standard output.
    pub output: String,
    /// What it wrote to standard error: the log, and the last word.
    pub log: String,
}

impl Launch {
    /// Nothing is set; output goes to files whose names begin so.
    pub fn new(files: PathBuf) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_message-indexer"));
        for name in ["KAFKA_BROKERS", "KAFKA_GROUP_ID", "ELASTICSEARCH_NODES", "RUST_LOG"] {
            command.env_remove(name);
        }
        Self { command, files }
    }

    /// Sets keys, as in `kafka.brokers=broker:9092`; later ones win.
    pub fn set(mut self, settings: &[&str]) -> Self {
        for setting in settings {
            self.command.args(["--set", setting]);
        }
        self
    }

    /// Adds arguments as they are.
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    /// Starts it.
    pub fn start(mut self) -> Indexer {
        let (output, log) = (self.files.with_extension("out"), self.files.with_extension("log"));
        self.command.stdin(Stdio::null());
        self.command.stdout(File::create(&output).unwrap()).stderr(File::create(&log).unwrap());
        let child = self.command.spawn().unwrap();
        Indexer { child, output, log, told: false }
    }

    /// Runs it to its end, which must come by itself within `limit`.
    pub fn run(self, limit: Duration) -> Ended {
        let mut indexer = self.start();
        let ended = holds_within(limit, || indexer.ended().is_some());
        assert!(ended, "it still runs after {limit:?}:\n{}", indexer.log());
        indexer.wait()
    }
}

/// A started program; killed when dropped.
pub struct Indexer {
    child: Child,
    output: PathBuf,
    log: PathBuf,
    told: bool,
}

impl Indexer {
    /// The exit code, once it has ended; -1 when a signal ended it.
    pub fn ended(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().map(|status| status.code().unwrap_or(-1))
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until a partition was assigned and its sinks take what they are sent.
    pub fn wait_ready(&mut self) {
        let ready = holds_within(PATIENCE, || {
            self.ended().is_some() || self.get("/readyz").is_some_and(|(ok, _)| ok)
        });
        assert!(ready && self.ended().is_none(), "it does not get ready:\n{}", self.log());
    }

    /// Whether it says that it is ready.
    pub fn is_ready(&self) -> bool {
        self.get("/readyz").is_some_and(|(ok, _)| ok)
    }

    /// Where its live page is.
    pub fn page(&self) -> String {
        let log = self.log();
        let (_, rest) = log.split_once("live page: ").expect("a running indexer names its page");
        rest.lines().next().unwrap_or_default().trim().to_owned()
    }

    fn get(&self, path: &str) -> Option<(bool, String)> {
        let log = self.log();
        let (_, rest) = log.split_once("admin page: ")?;
        let (page, _) = rest.split_once("/metrics")?;
        let answer = reqwest::blocking::get(format!("{page}{path}")).ok()?;
        Some((answer.status().is_success(), answer.text().ok()?))
    }

    /// The sum of a metric over those of its lines that have `label` in them.
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        let (_, text) = self.get("/metrics").expect("the admin page answers");
        let lines =
            text.lines().filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(label));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// Waits until [`metric`](Self::metric) is `expected`: what is shown is up to a second older than what is committed.
    pub fn wait_metric(&self, name: &str, label: &str, expected: f64) {
        let mut shown = f64::NAN;
        let is_reached = holds_within(PATIENCE, || {
            shown = self.metric(name, label);
            shown == expected
        });
        assert!(is_reached, "{name} of {label:?} is {shown}, not {expected}");
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it at once, as a crash does.
    pub fn kill(mut self) {
        self.end_at_once();
    }

    /// Asks it to stop and waits for its end.
    pub fn stop(mut self) -> Ended {
        self.signal(Signal::TERM);
        until("the program stops", || self.ended().is_some());
        self.wait()
    }

    /// Waits for its end, which must come by itself.
    pub fn wait_end(mut self) -> Ended {
        let ended = holds_within(PATIENCE, || self.ended().is_some());
        assert!(ended, "it still runs:\n{}", self.log());
        self.wait()
    }

    fn wait(mut self) -> Ended {
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        self.told = true;
        Ended { code, output: std::fs::read_to_string(&self.output).unwrap(), log: self.log() }
    }

    fn end_at_once(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Indexer {
    fn drop(&mut self) {
        self.end_at_once();
        if std::thread::panicking() && !self.told {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("{}", lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n"));
        }
    }
}
