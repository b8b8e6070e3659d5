//! The rounds, and what they say.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Result, bail};
use serde::Serialize;

use super::indexer::{self, Cost, Job};
use super::programs;
use super::stand_in::StandIn;
use crate::report::{Machine, ReportFormat, Spread};

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Kafka's address.
    #[arg(long, env = "KAFKA_BROKERS", default_value = "127.0.0.1:9092")]
    brokers: String,
    /// Runs of message-indexer over the whole topic.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Records of the topic; it is filled unless it is there.
    #[arg(long, default_value_t = 2_000_000)]
    records: u64,
    /// How to report.
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    report: ReportFormat,
}

/// Decides every byte of the topic.
const SEED: &str = "7";

#[derive(Debug, Serialize)]
struct Report {
    bench: &'static str,
    records: u64,
    rounds: u32,
    machine: Machine,
    cpu_seconds_per_million: Spread,
    records_per_second: Spread,
    records_per_request: Spread,
    costs: Vec<Cost>,
}

/// Runs all rounds and reports.
pub(crate) fn run(settings: &Settings) -> Result<()> {
    programs::build()?;
    let topic = format!("thalweg-bench-whole-flow-{}", settings.records);
    let folder = tempfile::tempdir()?;
    fill(settings, &topic)?;
    let mut costs = Vec::new();
    for round in 0..settings.rounds {
        let cost = one(settings, &topic, folder.path(), round)?;
        eprintln!(
            "round {}: {:.2} CPU seconds per million, {:.1} s, verified",
            round + 1,
            cost.cpu_seconds * 1e6 / settings.records as f64,
            cost.wall_seconds
        );
        costs.push(cost);
    }
    let over = |figure: fn(&Cost, f64) -> f64| {
        Spread::of(costs.iter().map(|cost| figure(cost, settings.records as f64)).collect())
    };
    let report = Report {
        bench: "whole-flow",
        records: settings.records,
        rounds: settings.rounds,
        machine: Machine::this(),
        cpu_seconds_per_million: over(|cost, records| cost.cpu_seconds * 1e6 / records),
        records_per_second: over(|cost, records| records / cost.wall_seconds),
        records_per_request: over(|cost, records| records / cost.requests as f64),
        costs,
    };
    print(&report, settings.report)
}

/// Fills the topic unless that was done: loadgen leaves a topic that is there as it is.
fn fill(settings: &Settings, topic: &str) -> Result<()> {
    let found = crate::topic::held(&settings.brokers, topic)?.unwrap_or(0);
    if found == settings.records {
        return Ok(());
    }
    if found > 0 {
        bail!("topic {topic} holds {found} records, not {}: delete it", settings.records);
    }
    eprintln!("filling {topic} ...");
    let mut command = programs::command("loadgen")?;
    command
        .args(["--brokers", &settings.brokers, "--topic", topic, "--partitions", "8", "--seed", SEED])
        .args(["--records", &settings.records.to_string(), "--profile", "all-out"])
        .args(["--updates", "0.15", "--deletes", "0.05", "--duplicates", "0.02"])
        .args(["--recreates", "0", "--late-updates", "0", "--poison", "0", "-X", "compression.type=lz4"]);
    if !command.stdout(Stdio::null()).status()?.success() {
        bail!("loadgen failed");
    }
    Ok(())
}

/// One run, verified.
fn one(settings: &Settings, topic: &str, folder: &Path, round: u32) -> Result<Cost> {
    let record: PathBuf = folder.join(format!("record-{round}.jsonl"));
    let stand_in = StandIn::start(&record)?;
    let group = format!("thalweg-bench-{}-{round}", std::process::id());
    let log = std::env::temp_dir().join(format!("{group}.log"));
    let job = Job {
        brokers: &settings.brokers,
        topic,
        records: settings.records,
        elasticsearch: &stand_in.url,
        group: &group,
        log: &log,
    };
    let cost = indexer::run(&job)?;
    std::fs::remove_file(&log)?;
    stand_in.stop()?;
    let verified = programs::command("verify")?
        .args(["--brokers", &settings.brokers, "--topic", topic, "--source", "stand-in"])
        .arg(&record)
        .args(["--dead-letters", "none"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()?;
    if !verified.status.success() {
        bail!("what was written is wrong:\n{}", String::from_utf8_lossy(&verified.stderr));
    }
    std::fs::remove_file(&record)?;
    Ok(cost)
}

fn print(report: &Report, format: ReportFormat) -> Result<()> {
    let table = format!(
        "CPU seconds per million records   {}\nrecords per second                {:.0}\nrecords per request               {:.0}\n",
        report.cpu_seconds_per_million, report.records_per_second.median, report.records_per_request.median
    );
    match format {
        ReportFormat::Text => write!(std::io::stdout(), "{table}")?,
        ReportFormat::Json => {
            eprint!("{table}");
            writeln!(std::io::stdout(), "{}", serde_json::to_string(report)?)?;
        }
    }
    Ok(())
}
