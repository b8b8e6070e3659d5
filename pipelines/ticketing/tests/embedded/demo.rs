//! The program, started with `--embedded --demo`.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// No single step takes longer on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

const POLL: Duration = Duration::from_millis(20);

/// Polls until `done`, or fails with `what` was waited for.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(POLL);
    }
}

/// How a run ended.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) log: String,
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ticketing"));
    for name in ["KAFKA_BROKERS", "PROVIDER_URL", "TOKEN_SECRET", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn run(arguments: &[&str]) -> Said {
    let output = command().args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    Said { code, out: text(output.stdout), log: text(output.stderr) }
}

/// The running demo; killed when dropped.
pub(crate) struct Demo {
    child: Child,
    folder: TempDir,
    /// Where its live page is.
    pub(crate) page: String,
}

impl Demo {
    /// Starts it, and waits until its page is there.
    pub(crate) fn start(arguments: &[&str], settings: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let file = |name: &str| File::create(folder.path().join(name)).unwrap();
        let mut command = command();
        command.args(["--embedded", "--demo"]).args(arguments).stdout(file("out")).stderr(file("log"));
        for setting in settings {
            command.args(["--set", setting]);
        }
        let mut demo = Self { child: command.spawn().unwrap(), folder, page: String::new() };
        until("the page is there", || {
            assert!(demo.ended().is_none(), "{}", demo.log());
            let log = demo.log();
            let found = log.lines().find_map(|line| line.split_once("live page: "));
            demo.page = found.map(|(_, url)| url.trim().to_owned()).unwrap_or_default();
            // The line is complete, and somebody answers.
            demo.page.ends_with('/') && reqwest::blocking::get(format!("{}api/tickets", demo.page)).is_ok()
        });
        demo
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its log so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.file("log")).unwrap()
    }

    /// What its own page gets.
    pub(crate) fn shown(&self) -> Value {
        let answer = reqwest::blocking::get(format!("{}api/tickets", self.page)).unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.json().unwrap()
    }

    /// The exit code, once it has ended; -1 when a signal ended it.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().map(|status| status.code().unwrap_or(-1))
    }

    /// Waits for its end; the exit code, and what it has written.
    pub(crate) fn wait(mut self) -> (i32, String) {
        until("the program ends", || self.ended().is_some());
        (self.ended().unwrap(), std::fs::read_to_string(self.file("out")).unwrap())
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(self) -> (i32, String) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        self.wait()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}
