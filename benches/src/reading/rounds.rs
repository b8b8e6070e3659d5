//! The interleaved rounds, and what they say.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::arm::{Arm, ArmReport, Case};
use super::{records, topic};
use crate::report::{Machine, Reporting, Spread, Target};

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Kafka's address.
    #[arg(long, env = "KAFKA_BROKERS", default_value = "127.0.0.1:9092")]
    brokers: String,
    /// Rounds; in each, every arm runs once.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Records of a topic; it is filled unless it is there.
    #[arg(long, default_value_t = 2_000_000)]
    records: u64,
    /// Only these arms.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Arm::ALL)]
    arms: Vec<Arm>,
    /// Only these cases.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Case::ALL)]
    cases: Vec<Case>,
    #[command(flatten)]
    reporting: Reporting,
}

/// One arm in one case, over all rounds.
#[derive(Debug, Serialize)]
struct Measured {
    case: Case,
    arm: Arm,
    /// CPU seconds of the process per million records.
    cpu_seconds_per_million: Spread,
    records_per_second: Spread,
    /// Ratio of this arm's CPU to the bare batch loop's of the same round.
    of_bare_batch: Option<Spread>,
    /// Ratio to the bare poll loop's of the same round.
    of_bare_poll: Option<Spread>,
    rounds: Vec<ArmReport>,
}

#[derive(Debug, Serialize)]
struct Report {
    bench: &'static str,
    records: u64,
    rounds: u32,
    machine: Machine,
    targets: Vec<Target>,
    measured: Vec<Measured>,
}

/// Runs all rounds and reports.
pub(crate) fn run(settings: &Settings) -> Result<()> {
    let machine = Machine::this();
    for headers in [true, false] {
        if settings.cases.iter().any(|case| case.has_headers() == headers) {
            topic::ensure(&settings.brokers, settings.records, headers)?;
        }
    }
    let mut found = Vec::new();
    for round in 0..settings.rounds {
        for case in &settings.cases {
            for arm in &settings.arms {
                let report = one(settings, round, *case, *arm)?;
                eprintln!(
                    "round {} {case:?} {arm:?}: {:.3} CPU seconds per million, {:.1} s",
                    round + 1,
                    per_million(&report),
                    report.wall_seconds
                );
                found.push((*case, *arm, report));
            }
        }
    }
    let measured = settings.cases.iter().flat_map(|case| settings.arms.iter().map(|arm| (*case, *arm)));
    let measured: Vec<_> = measured.map(|(case, arm)| sum_up(&found, case, arm)).collect();
    let report = Report {
        bench: "reading",
        records: settings.records,
        rounds: settings.rounds,
        machine,
        targets: measured.iter().filter_map(target).collect(),
        measured,
    };
    settings.reporting.give(report.bench, &table(&report)?, &report.targets, &report)
}

/// Runs an arm in a process of its own, and checks what it touched.
fn one(settings: &Settings, round: u32, case: Case, arm: Arm) -> Result<ArmReport> {
    use clap::ValueEnum as _;
    let word = |value: Option<clap::builder::PossibleValue>| {
        value.map(|value| value.get_name().to_owned()).unwrap_or_default()
    };
    let (arm_word, case_word) = (word(arm.to_possible_value()), word(case.to_possible_value()));
    // A group of its own: it must not find offsets of another arm.
    let group = format!("thalweg-bench-{}-{round}-{case_word}", std::process::id());
    let output = Command::new(std::env::current_exe()?)
        .arg("reading-arm")
        .args(["--brokers", &settings.brokers, "--records", &settings.records.to_string()])
        .args(["--arm", &arm_word, "--case", &case_word, "--group", &group])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("{arm:?} with {case:?} failed: {}", output.status);
    }
    let report: ArmReport = serde_json::from_slice(&output.stdout).context("an arm's report")?;
    let expected = records::expected(settings.records, case.reads_headers());
    if report.touched != expected {
        bail!("{arm:?} with {case:?} touched {:?}, and should have touched {expected:?}", report.touched);
    }
    Ok(report)
}

fn per_million(report: &ArmReport) -> f64 {
    report.cpu_seconds * 1e6 / report.touched.records as f64
}

fn sum_up(found: &[(Case, Arm, ArmReport)], case: Case, arm: Arm) -> Measured {
    let of = |wanted: Arm| -> Vec<&ArmReport> {
        found
            .iter()
            .filter(|(with, by, _)| *with == case && *by == wanted)
            .map(|(_, _, report)| report)
            .collect()
    };
    let ours = of(arm);
    let ratio = |other: Arm| {
        let others = of(other);
        let pairs = ours.iter().zip(&others).map(|(ours, other)| ours.cpu_seconds / other.cpu_seconds);
        (other != arm && !others.is_empty()).then(|| Spread::of(pairs.collect()))
    };
    Measured {
        case,
        arm,
        cpu_seconds_per_million: Spread::of(ours.iter().map(|report| per_million(report)).collect()),
        records_per_second: Spread::of(
            ours.iter().map(|report| report.touched.records as f64 / report.wall_seconds).collect(),
        ),
        of_bare_batch: ratio(Arm::BareBatch),
        of_bare_poll: ratio(Arm::BarePoll),
        rounds: ours.into_iter().cloned().collect(),
    }
}

/// Reading through the engine costs at most a fifth more than the bare batch loop.
fn target(measured: &Measured) -> Option<Target> {
    let what = match measured.case {
        Case::HeadersRead => "CPU of reading with headers, of the bare batch loop's",
        Case::HeadersIgnored => "CPU of reading with headers ignored, of the bare batch loop's",
        Case::NoHeaders => "CPU of reading without headers, of the bare batch loop's",
    };
    let ratio = measured.of_bare_batch.as_ref().filter(|_| measured.arm == Arm::Thalweg)?;
    Some(Target::at_most(what, 1.2, ratio.median))
}

fn table(report: &Report) -> Result<String> {
    use std::fmt::Write as _;
    let mut table = String::from(
        "case            arm         CPU-s per million: median (min to max)   of bare batch            of bare poll\n",
    );
    for measured in &report.measured {
        let ratio = |ratio: &Option<Spread>| ratio.as_ref().map_or(String::new(), Spread::to_string);
        writeln!(
            table,
            "{:<15} {:<11} {:<42} {:<24} {}",
            format!("{:?}", measured.case),
            format!("{:?}", measured.arm),
            measured.cpu_seconds_per_million.to_string(),
            ratio(&measured.of_bare_batch),
            ratio(&measured.of_bare_poll)
        )?;
    }
    Ok(table)
}
