//! A program, started as a user starts it.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::scene::{PATIENCE, holds_within, until};

/// The secret of all tokens.
pub(crate) const SECRET: &str = "only-for-tests-only-for-tests-only";

/// The command of that program, with nothing set but the secret.
pub(crate) fn command(program: &str) -> Command {
    let path = match program {
        "tickets" => env!("CARGO_BIN_EXE_tickets"),
        "orders" => env!("CARGO_BIN_EXE_orders"),
        "payments" => env!("CARGO_BIN_EXE_payments"),
        "expiration" => env!("CARGO_BIN_EXE_expiration"),
        _ => env!("CARGO_BIN_EXE_ticketing"),
    };
    let mut command = Command::new(path);
    for name in ["KAFKA_BROKERS", "PROVIDER_URL", "RUST_LOG"] {
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

    /// Waits until a line of the log says all of that.
    pub(crate) fn wait_log(&mut self, what: &[&str]) -> String {
        let find = |log: String| {
            log.lines().find(|line| what.iter().all(|part| line.contains(part))).map(str::to_owned)
        };
        holds_within(PATIENCE, || self.ended().is_some() || find(self.log()).is_some());
        find(self.log()).unwrap_or_else(|| panic!("it does not say {what:?}:\n{}", self.log()))
    }

    /// Waits until it takes requests for that service; where.
    pub(crate) fn address(&mut self, service: &str) -> String {
        let line = self.wait_log(&["commands at: http://", &format!("{service}.commands")]);
        let (_, rest) = line.split_once("http://").unwrap();
        rest.split_once('/').unwrap().0.to_owned()
    }

    /// Waits until all its flows have their partitions and their state.
    pub(crate) fn wait_ready(&mut self) {
        self.wait_log(&["admin page: "]);
        until("it is ready", || {
            assert!(self.ended().is_none(), "it has ended:\n{}", self.log());
            self.is_ready() == Some(true)
        });
    }

    fn is_ready(&self) -> Option<bool> {
        let log = self.log();
        let (_, rest) = log.split_once("admin page: ")?;
        let (page, _) = rest.split_once("/metrics")?;
        Some(reqwest::blocking::get(format!("{page}/readyz")).ok()?.status().is_success())
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn kill(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to stop and waits for its end; the exit code.
    pub(crate) fn stop(mut self) -> i32 {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
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
