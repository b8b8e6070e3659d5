//! The program, started as a user starts it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use thalweg_testbed::instance::{self, Ended, Instance};

/// A command line.
pub struct Launch {
    command: Command,
    files: PathBuf,
}

impl Launch {
    /// Nothing is set; output goes to files whose names begin so.
    pub fn new(files: PathBuf) -> Self {
        Self { command: instance::command(env!("CARGO_BIN_EXE_message-indexer")), files }
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
    pub fn start(self) -> Instance {
        Instance::start(self.command, self.files)
    }

    /// Runs it to its end, which must come by itself within `limit`.
    pub fn run(self, limit: Duration) -> Ended {
        self.start().wait_end_within(limit)
    }
}
