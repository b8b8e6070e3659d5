//! The interleaved rounds, and what they say.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum as _;
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
    /// Fewer records for an arm that would take too long, in a topic of their own: `kafka-streams=60000`.
    #[arg(long, value_delimiter = ',', value_parser = fewer)]
    fewer: Vec<(Arm, u64)>,
    /// Minutes that an arm may take.
    #[arg(long, default_value_t = 10)]
    arm_minutes: u64,
    #[command(flatten)]
    reporting: Reporting,
}

impl Settings {
    fn records_of(&self, arm: Arm) -> u64 {
        self.fewer.iter().find(|(of, _)| *of == arm).map_or(self.records, |(_, records)| *records)
    }
}

fn fewer(text: &str) -> Result<(Arm, u64), String> {
    let (arm, records) = text.split_once('=').ok_or("it must be ARM=RECORDS")?;
    let records = records.parse::<u64>().map_err(|error| error.to_string())?;
    if records == 0 {
        return Err("without a record nothing is measured".to_owned());
    }
    Ok((Arm::from_str(arm, false)?, records))
}

/// One arm, over all rounds.
#[derive(Debug, Serialize)]
struct Measured {
    arm: Arm,
    /// How many each of its runs read.
    records: u64,
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
    let arms = match (settings.arms.as_slice(), workload) {
        ([], Workload::Counting) => &[Arm::Thalweg, Arm::Bare],
        ([], Workload::Waiting) => &[Arm::Thalweg][..],
        (chosen, _) => chosen,
    };
    let mut found = Vec::new();
    for round in 1..=settings.rounds {
        for arm in arms {
            let run = one(workload, settings, *arm, round)
                .with_context(|| format!("{} in round {round}", arm.name()))?;
            eprintln!(
                "round {round} {}: {:.2} CPU seconds per million, {:.0} records per second",
                arm.name(),
                run.cpu_per_million(run.finished.cpu_seconds),
                run.records_per_second()
            );
            found.push((*arm, run));
        }
    }
    let measured: Vec<_> = arms.iter().map(|arm| sum_up(&found, *arm, settings.records_of(*arm))).collect();
    let Settings { records, keys, partitions, .. } = *settings;
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

/// One run of an arm.
fn one(workload: Workload, settings: &Settings, arm: Arm, round: u32) -> Result<Run> {
    let Settings { keys, partitions, .. } = *settings;
    let (brokers, records) = (settings.brokers.clone(), settings.records_of(arm));
    let wanted = Wanted { records, keys, partitions };
    let topic = topic::ensure(&brokers, wanted)?;
    warm(&brokers, &topic, records)?;
    // A group of its own: it must not find offsets of another arm.
    let group = format!("thalweg-bench-{}-{}-{round}", arm.name(), std::process::id());
    let job = Job { workload, brokers, topic, group, records, keys };
    let run = child::measure(arm.command(&job)?, Duration::from_secs(settings.arm_minutes * 60))?;
    checked(run, records, wanted.shape().keys_among(records))
}

/// A run that did the wrong thing has no figures.
fn checked(run: Run, records: u64, keys: u64) -> Result<Run> {
    let found = &run.finished;
    if (found.records, found.keys, found.out_of_order) != (records, keys, 0) {
        bail!("{records} records of {keys} keys are in the topic; found: {found:?}");
    }
    Ok(run)
}

fn sum_up(found: &[(Arm, Run)], arm: Arm, records: u64) -> Measured {
    let of = |wanted: Arm| found.iter().filter(move |(by, _)| *by == wanted).map(|(_, run)| run);
    let over = |figure: &dyn Fn(&Run) -> f64| Spread::of(of(arm).map(figure).collect());
    let cpu = |run: &Run| run.cpu_per_million(run.finished.cpu_seconds);
    let ratios: Vec<_> = of(arm).zip(of(Arm::Bare)).map(|(ours, bare)| cpu(ours) / cpu(bare)).collect();
    Measured {
        arm,
        records,
        records_per_second: over(&Run::records_per_second),
        cpu_seconds_per_million: over(&cpu),
        process_cpu_seconds_per_million: over(&|run| run.cpu_per_million(run.process_cpu_seconds)),
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
        "arm                records   per second: median (min to max)  CPU-s per million        whole process            peak MB              of bare\n",
    );
    for measured in &report.measured {
        writeln!(
            table,
            "{:<18} {:<9} {:<40} {:<24} {:<24} {:<20} {}",
            measured.arm.name(),
            measured.records,
            measured.records_per_second.rounded(),
            measured.cpu_seconds_per_million.to_string(),
            measured.process_cpu_seconds_per_million.to_string(),
            measured.memory_peak_mb.rounded(),
            measured.of_bare.as_ref().map_or(String::new(), Spread::to_string)
        )?;
    }
    Ok(table)
}
