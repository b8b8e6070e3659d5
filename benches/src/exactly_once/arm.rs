//! The arms, and what each is told. They run until they are asked to end.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::peers::{self, Peer};
use crate::programs;

/// What every arm is told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Job {
    #[arg(long)]
    pub(crate) brokers: String,
    /// What is copied.
    #[arg(long)]
    pub(crate) source: String,
    /// Where to.
    #[arg(long)]
    pub(crate) copies: String,
    /// Where each key's count goes when it changes.
    #[arg(long)]
    pub(crate) counts: String,
    /// Where the counts are kept, by those who may choose the name.
    #[arg(long)]
    pub(crate) changelog: String,
    /// A group that has committed nothing yet; also what transactional ids begin with.
    #[arg(long)]
    pub(crate) group: String,
    /// How many offsets back in the partition duplicates are told.
    #[arg(long)]
    pub(crate) window: u64,
    /// How long a transaction goes on while there is more to read.
    #[arg(long)]
    pub(crate) commit_interval_ms: u64,
}

/// The ways to do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Arm {
    /// The pipeline `copy`.
    Thalweg,
    /// A loop over the client alone.
    Bare,
    /// Kafka Streams with `exactly_once_v2`; what dedupe has seen is kept in a changelog too.
    KafkaStreams,
    /// The same, but a restart forgets what dedupe has seen.
    KafkaStreamsForgetful,
}

impl Arm {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Thalweg => "thalweg",
            Self::Bare => "bare",
            Self::KafkaStreams => "kafka-streams",
            Self::KafkaStreamsForgetful => "kafka-streams-forgetful",
        }
    }

    /// The command that runs it: a subcommand of this program, so that any can be run by hand.
    pub(super) fn command(self, job: &Job) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        match self {
            Self::Thalweg => command.arg("exactly-once-copy"),
            Self::Bare => command.arg("exactly-once-bare"),
            Self::KafkaStreams => command.arg("exactly-once-streams"),
            Self::KafkaStreamsForgetful => command.args(["exactly-once-streams", "--forgetful"]),
        };
        command
            .args(["--brokers", &job.brokers, "--source", &job.source, "--copies", &job.copies])
            .args(["--counts", &job.counts, "--changelog", &job.changelog, "--group", &job.group])
            .args(["--window", &job.window.to_string()])
            .args(["--commit-interval-ms", &job.commit_interval_ms.to_string()]);
        Ok(command)
    }
}

/// Becomes the pipeline; comes back only when that fails.
pub(crate) fn become_copy(job: &Job) -> Result<()> {
    let mut command = programs::command("copy")?;
    let settings = [
        ("kafka.brokers", job.brokers.clone()),
        ("kafka.group.id", job.group.clone()),
        ("topics.source", job.source.clone()),
        ("topics.copies", job.copies.clone()),
        ("topics.counts", job.counts.clone()),
        ("topics.dedupe_window", job.window.to_string()),
        ("state.changelog_topic", job.changelog.clone()),
        ("engine.commit_interval_ms", job.commit_interval_ms.to_string()),
        ("engine.admin_listen", "off".to_owned()),
    ];
    command.arg("--no-progress");
    for (key, value) in settings {
        command.args(["--set", &format!("{key}={value}")]);
    }
    Err(command.exec()).context("copy can't be started")
}

/// What the arm of Kafka Streams is told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct StreamsJob {
    /// A restart forgets what dedupe has seen.
    #[arg(long)]
    forgetful: bool,
    /// Options of the JVM, for what was tried besides: `--jvm=-Dthreads=1`.
    #[arg(long, allow_hyphen_values = true)]
    jvm: Vec<String>,
    #[command(flatten)]
    job: Job,
}

/// Becomes Kafka Streams; comes back only when that fails.
pub(crate) fn become_streams(streams: &StreamsJob) -> Result<()> {
    let job = &streams.job;
    let mut command = peers::command(Peer::ExactlyOnceStreams, &streams.jvm)?;
    command
        .args(["--brokers", &job.brokers, "--source", &job.source, "--copies", &job.copies])
        .args(["--counts", &job.counts, "--group", &job.group])
        .args(["--window", &job.window.to_string()])
        .args(["--commit-interval-ms", &job.commit_interval_ms.to_string()])
        .args(["--forgetful", &streams.forgetful.to_string()]);
    Err(command.exec()).context("java can't be started")
}
