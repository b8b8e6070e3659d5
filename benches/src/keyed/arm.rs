//! The arms, and what each is told.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use super::bare;
use crate::programs;

/// What is done with each record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Workload {
    /// It is parsed and counted by its key.
    Counting,
    /// It waits for 1 ms, behind the one before of its key.
    Waiting,
}

impl Workload {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Counting => "counting",
            Self::Waiting => "waiting",
        }
    }
}

/// What every arm is told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Job {
    #[arg(long, value_enum)]
    pub(crate) workload: Workload,
    #[arg(long)]
    pub(crate) brokers: String,
    #[arg(long)]
    pub(crate) topic: String,
    /// A group that has committed nothing yet.
    #[arg(long)]
    pub(crate) group: String,
    /// How many there are; the arm ends when all of them are finished.
    #[arg(long)]
    pub(crate) records: u64,
    /// How many keys there are, for those who must know.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) keys: u32,
}

/// The ways to do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Arm {
    /// A flow.
    Thalweg,
    /// A loop of batch reads over the client alone; only for `counting`.
    Bare,
    /// A `StreamConsumer` and tokio tasks.
    StreamConsumer,
    /// Kafka Streams.
    KafkaStreams,
    /// Confluent Parallel Consumer.
    ParallelConsumer,
    /// Benthos 4.27.0, which is named Redpanda Connect today.
    Benthos,
}

impl Arm {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Thalweg => "thalweg",
            Self::Bare => "bare",
            Self::StreamConsumer => "stream-consumer",
            Self::KafkaStreams => "kafka-streams",
            Self::ParallelConsumer => "parallel-consumer",
            Self::Benthos => "benthos",
        }
    }

    /// The command that runs it: a subcommand of this program each, so that any can be run by hand.
    pub(super) fn command(self, job: &Job) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        match self {
            Self::Thalweg => command.arg("keyed-flow"),
            Self::Bare => command.arg("keyed-bare"),
            Self::StreamConsumer => command.arg("stream-consumer"),
            Self::KafkaStreams | Self::ParallelConsumer | Self::Benthos => {
                command.args(["peer", self.name()])
            }
        };
        command
            .args(["--workload", job.workload.name(), "--brokers", &job.brokers, "--topic", &job.topic])
            .args(["--group", &job.group, "--records", &job.records.to_string()])
            .args(["--keys", &job.keys.to_string()]);
        Ok(command)
    }
}

/// Becomes the engine's arm, whose command line is that of every flow; comes back only when that fails.
pub(crate) fn become_flow(job: &Job) -> Result<()> {
    let mut command = programs::command("keyed-flow")?;
    command
        .arg("--no-progress")
        .args(["--set", "engine.admin_listen=off"])
        .args(["--set", &format!("arm.workload={}", job.workload.name())])
        .args(["--set", &format!("arm.topic={}", job.topic)])
        .args(["--set", &format!("arm.records={}", job.records)])
        .args(["--set", &format!("kafka.brokers={}", job.brokers)])
        .args(["--set", &format!("kafka.group.id={}", job.group)]);
    Err(command.exec()).context("keyed-flow can't be started")
}

/// The bare arm.
pub(crate) fn run_bare(job: &Job) -> Result<()> {
    if job.workload != Workload::Counting {
        bail!("the bare loop only counts: it has nothing that could wait for one key and go on with others");
    }
    bare::count(job)
}
