//! The interleaved rounds, and what they say.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use super::arm::{Arm, Job, Workload};
use super::child::{self, Run};
use super::topic::{self, Wanted};
use crate::programs;
use crate::report::{Machine, Reporting, Spread, Target};
use crate::topic::warm;

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Kafka's address.
    #[arg(long, env = "KAFKA_BROKERS", default_value = "127.0.0.1:9092")]
    brokers: String,
    /// Rounds; in each, every arm runs once.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Records of the topic; it is filled unless it is there.
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    records: u64,
    /// Keys of the topic.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    keys: u32,
    /// Partitions of the topic.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(i32).range(1..=1_000))]
    partitions: i32,
    /// Only these arms; the peers must have been prepared [default: thalweg, and bare for counting].
    #[arg(long, value_enum, value_delimiter = ',')]
    arms: Vec<Arm>,
    /// Minutes that an arm may take.
    #[arg(long, default_value_t = 10)]
    arm_minutes: u64,
    #[command(flatten)]
    reporting: Reporting,
}

/// One arm, over all rounds.
#[derive(Debug, Serialize)]
struct Measured {
    arm: Arm,
    /// From the first record to the last.
    records_per_second: Spread,
    /// Of the process, from the first record to the last, per million.
    cpu_seconds_per_million: Spread,
    /// Of the process from its start to its end, per million.
    process_cpu_seconds_per_million: Spread,
    memory_peak_mb: Spread,
    /// Ratio of its CPU from first to last to the bare loop's of the same round.
    of_bare: Option<Spread>,
    rounds: Vec<Run>,
}

#[derive(Debug, Serialize)]
struct Report {
    bench: &'static str,
    records: u64,
    keys: u32,
    partitions: i32,
    rounds: u32,
    machine: Machine,
    targets: Vec<Target>,
    measured: Vec<Measured>,
}

/// Runs all rounds of the workload and reports.
pub(crate) fn run(workload: Workload, settings: &Settings) -> Result<()> {
    let machine = Machine::this();
    programs::build()?;
    let Settings { records, keys, partitions, .. } = *settings;
    let wanted = Wanted { records, keys, partitions };
    let topic = topic::ensure(&settings.brokers, wanted)?;
    let arms = match (settings.arms.as_slice(), workload) {
        ([], Workload::Counting) => &[Arm::Thalweg, Arm::Bare],
        ([], Workload::Waiting) => &[Arm::Thalweg][..],
        (chosen, _) => chosen,
    };
    let keys_seen = wanted.shape().keys_among(records);
    let mut found = Vec::new();
    for round in 0..settings.rounds {
        for arm in arms {
            // A group of its own: it must not find offsets of another arm.
            let group = format!("thalweg-bench-{}-{}-{round}", arm.name(), std::process::id());
            let brokers = settings.brokers.clone();
            warm(&brokers, &topic, records)?;
            let job = Job { workload, brokers, topic: topic.clone(), group, records, keys };
            let limit = Duration::from_secs(settings.arm_minutes * 60);
            let run = child::measure(arm.command(&job)?, limit)
                .and_then(|run| checked(run, records, keys_seen))
                .with_context(|| format!("{} in round {}", arm.name(), round + 1))?;
            eprintln!(
                "round {} {}: {:.2} CPU seconds per million, {:.0} records per second",
                round + 1,
                arm.name(),
                run.finished.cpu_seconds * 1e6 / records as f64,
                records as f64 / run.finished.seconds
            );
            found.push((*arm, run));
        }
    }
    let measured: Vec<_> = arms.iter().map(|arm| sum_up(&found, *arm, records as f64)).collect();
    let report = Report {
        bench: workload.name(),
        records,
        keys,
        partitions,
        rounds: settings.rounds,
        machine,
        targets: measured.iter().filter_map(|measured| target(workload, measured)).collect(),
        measured,
    };
    settings.reporting.give(report.bench, &table(&report)?, &report.targets, &report)
}

/// A run that did the wrong thing has no figures.
fn checked(run: Run, records: u64, keys: u64) -> Result<Run> {
    let found = &run.finished;
    if (found.records, found.keys, found.out_of_order) != (records, keys, 0) {
        bail!("{records} records of {keys} keys are in the topic; found: {found:?}");
    }
    Ok(run)
}

fn sum_up(found: &[(Arm, Run)], arm: Arm, records: f64) -> Measured {
    let of = |wanted: Arm| found.iter().filter(move |(by, _)| *by == wanted).map(|(_, run)| run);
    let over = |figure: &dyn Fn(&Run) -> f64| Spread::of(of(arm).map(figure).collect());
    let ratios: Vec<_> = of(arm)
        .zip(of(Arm::Bare))
        .map(|(ours, bare)| ours.finished.cpu_seconds / bare.finished.cpu_seconds)
        .collect();
    Measured {
        arm,
        records_per_second: over(&|run| records / run.finished.seconds),
        cpu_seconds_per_million: over(&|run| run.finished.cpu_seconds * 1e6 / records),
        process_cpu_seconds_per_million: over(&|run| run.process_cpu_seconds * 1e6 / records),
        memory_peak_mb: over(&|run| run.memory_peak_mb as f64),
        of_bare: (arm != Arm::Bare && !ratios.is_empty()).then(|| Spread::of(ratios)),
        rounds: of(arm).cloned().collect(),
    }
}

/// What the engine is to reach.
fn target(workload: Workload, measured: &Measured) -> Option<Target> {
    (measured.arm == Arm::Thalweg).then(|| match workload {
        Workload::Counting => Target::at_most(
            "CPU seconds of counting per million records",
            1.8,
            measured.cpu_seconds_per_million.median,
        ),
        Workload::Waiting => Target::at_least(
            "records per second, each waiting 1 ms",
            200_000.0,
            measured.records_per_second.median,
        ),
    })
}

fn table(report: &Report) -> Result<String> {
    use std::fmt::Write as _;
    let mut table = String::from(
        "arm                records per second: median (min to max)  CPU-s per million        whole process            peak MB              of bare\n",
    );
    for measured in &report.measured {
        writeln!(
            table,
            "{:<18} {:<40} {:<24} {:<24} {:<20} {}",
            measured.arm.name(),
            measured.records_per_second.rounded(),
            measured.cpu_seconds_per_million.to_string(),
            measured.process_cpu_seconds_per_million.to_string(),
            measured.memory_peak_mb.rounded(),
            measured.of_bare.as_ref().map_or(String::new(), Spread::to_string)
        )?;
    }
    Ok(table)
}
