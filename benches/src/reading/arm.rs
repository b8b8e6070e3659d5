//! One arm: a way to read the topic, run once in a process of its own.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use thalweg_connectors::kafka::settings::{GroupSettings, KafkaSettings};

use super::touched::Touched;
use super::{bare_batch, bare_poll, through_thalweg, topic};
use thalweg_benches::cpu;

/// The ways to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
#[value(rename_all = "kebab-case")]
pub(super) enum Arm {
    /// A loop of batch reads on partition queues, nothing else.
    BareBatch,
    /// A loop of `BaseConsumer::poll`.
    BarePoll,
    /// Source, worker with its tracker, and an operator.
    Thalweg,
}

impl Arm {
    pub(super) const ALL: [Self; 3] = [Self::BareBatch, Self::BarePoll, Self::Thalweg];
}

/// What the topic has, and what is read of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
#[value(rename_all = "kebab-case")]
pub(super) enum Case {
    /// Records have three headers, and each is read.
    HeadersRead,
    /// Records have three headers, and nobody looks at them.
    HeadersIgnored,
    /// Records have no headers.
    NoHeaders,
}

impl Case {
    pub(super) const ALL: [Self; 3] = [Self::HeadersRead, Self::HeadersIgnored, Self::NoHeaders];

    /// Whether the topic's records have headers.
    pub(super) fn has_headers(self) -> bool {
        self != Self::NoHeaders
    }

    /// Whether they are read.
    pub(super) fn reads_headers(self) -> bool {
        self == Self::HeadersRead
    }
}

/// What an arm is told.
#[derive(Debug, clap::Args)]
pub(crate) struct ArmSettings {
    #[arg(long)]
    pub(super) brokers: String,
    #[arg(long)]
    pub(super) records: u64,
    #[arg(long, value_enum)]
    pub(super) arm: Arm,
    #[arg(long, value_enum)]
    pub(super) case: Case,
    #[arg(long)]
    pub(super) group: String,
}

impl ArmSettings {
    /// The client's settings, the same for every arm.
    pub(super) fn kafka(&self) -> KafkaSettings {
        let group = GroupSettings { id: self.group.clone(), ..GroupSettings::default() };
        KafkaSettings { brokers: self.brokers.clone(), group, ..KafkaSettings::default() }
    }

    /// The topic.
    pub(super) fn topic(&self) -> String {
        topic::name(self.records, self.case.has_headers())
    }
}

/// What an arm reports, as a line of JSON on standard output.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ArmReport {
    pub(super) touched: Touched,
    /// Of the whole process, from its start to the last record.
    pub(super) cpu_seconds: f64,
    pub(super) wall_seconds: f64,
    /// Reads that brought records; for `bare-poll` the records.
    pub(super) batches: u64,
    /// How often the reader had nothing to do and slept.
    pub(super) waits: u64,
}

/// What a loop did.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) touched: Touched,
    pub(super) batches: u64,
    pub(super) waits: u64,
}

/// No arm needs a tenth of this; one that hangs must not hang the run.
const ARM_MAX: Duration = Duration::from_secs(120);

/// Runs one arm.
pub(crate) fn run_arm(settings: &ArmSettings) -> Result<()> {
    let begun = Instant::now();
    std::thread::spawn(|| {
        std::thread::sleep(ARM_MAX);
        eprintln!("error: the topic was not read within {ARM_MAX:?}");
        std::process::exit(1);
    });
    // Each loop calls this when it has read everything, before it closes its client.
    let mut measured = None;
    let mut ended = || {
        measured.get_or_insert_with(|| (cpu::of_this_process(), begun.elapsed().as_secs_f64()));
    };
    let done = match settings.arm {
        Arm::BareBatch => bare_batch::read(settings, &mut ended)?,
        Arm::BarePoll => bare_poll::read(settings, &mut ended)?,
        Arm::Thalweg => through_thalweg::read(settings, &mut ended)?,
    };
    let (cpu_seconds, wall_seconds) = measured.unwrap_or_default();
    let Done { touched, batches, waits } = done;
    let report = ArmReport { touched, cpu_seconds, wall_seconds, batches, waits };
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&report)?)?;
    Ok(())
}
