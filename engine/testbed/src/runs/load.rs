//! The load: `loadgen`, started and at the end believed only as far as `verify` confirms it.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::Value;
use thalweg_testbed::TestbedError;
use thalweg_testbed::process::POLL_INTERVAL;

use super::go_on;
use super::ground::{Ground, Scene};
use super::program::Program;
use super::programs::Programs;

/// What is written.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// Records.
    pub(crate) records: u64,
    /// Records a second.
    pub(crate) rate: u32,
    /// Partitions of the topic.
    pub(crate) partitions: u32,
    /// Conversations.
    pub(crate) conversations: u32,
    /// Whether some records can't be processed.
    pub(crate) poison: bool,
    /// Decides every byte.
    pub(crate) seed: u64,
}

/// A running load.
pub(crate) struct Load {
    program: Program,
    /// The list of what the broker acknowledged.
    acked: PathBuf,
    /// How long it takes when it keeps its pace.
    pub(crate) planned: Duration,
}

impl Load {
    /// Starts `loadgen`, which also makes the topic.
    pub(crate) fn start(
        programs: &Programs,
        ground: &Ground,
        scene: &Scene,
        shape: &Shape,
    ) -> Result<Self, TestbedError> {
        let acked = ground.folder.join(format!("{}.acked", scene.topic));
        let mut command = programs.command("loadgen");
        let numbers = [
            ("--records", shape.records),
            ("--rate", shape.rate.into()),
            ("--partitions", shape.partitions.into()),
            ("--conversations", shape.conversations.into()),
            ("--seed", shape.seed),
        ];
        for (name, value) in numbers {
            command.arg(name).arg(value.to_string());
        }
        if !shape.poison {
            command.args(["--poison", "0"]);
        }
        command
            .args(["--brokers", &ground.kafka, "--topic", &scene.topic, "--report", "json", "--acked"])
            .arg(&acked);
        let mut program = Program::start("loadgen", command, &ground.folder)?;
        // It begins its list when the topic is there.
        while !acked.exists() {
            go_on()?;
            if program.ended().is_some() {
                return Err(program.complain("ended before it had the topic"));
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        let planned = Duration::from_secs_f64(shape.records as f64 / f64::from(shape.rate));
        Ok(Self { program, acked, planned })
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.program.ended()
    }

    /// Waits for its end and gives its report, and the list of acknowledged records.
    pub(crate) fn finish(mut self) -> Result<(Value, PathBuf), TestbedError> {
        let status = self.program.wait(self.planned + Duration::from_secs(300))?;
        if !status.success() {
            return Err(self.program.complain(&format!("failed: {status}")));
        }
        Ok((self.program.report()?, self.acked))
    }
}
