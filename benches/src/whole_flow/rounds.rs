//! The rounds, and what they say.

use anyhow::Result;
use serde::Serialize;

use super::indexer::Cost;
use super::topic::Events;
use super::verified::cost_of;
use crate::programs;
use crate::report::{Machine, Reporting, Spread, Target};

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
    #[command(flatten)]
    reporting: Reporting,
}

#[derive(Debug, Serialize)]
struct Report {
    bench: &'static str,
    records: u64,
    rounds: u32,
    machine: Machine,
    targets: Vec<Target>,
    cpu_seconds_per_million: Spread,
    records_per_second: Spread,
    records_per_request: Spread,
    memory_peak_mb: Spread,
    costs: Vec<Cost>,
}

/// Runs all rounds and reports.
pub(crate) fn run(settings: &Settings) -> Result<()> {
    let machine = Machine::this();
    programs::build()?;
    let events = Events { records: settings.records, conversations: 10_000, partitions: 8 };
    events.ensure(&settings.brokers)?;
    let mut costs = Vec::new();
    for round in 0..settings.rounds {
        let group = format!("thalweg-bench-whole-flow-{}-{round}", std::process::id());
        let cost = cost_of(&settings.brokers, events, &group)?;
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
    let cpu_seconds_per_million = over(|cost, records| cost.cpu_seconds * 1e6 / records);
    let what = "CPU seconds of the whole flow per million records";
    let report = Report {
        bench: "whole-flow",
        records: settings.records,
        rounds: settings.rounds,
        machine,
        targets: vec![Target::at_most(what, 3.0, cpu_seconds_per_million.median)],
        cpu_seconds_per_million,
        records_per_second: over(|cost, records| records / cost.wall_seconds),
        records_per_request: over(|cost, records| records / cost.requests as f64),
        memory_peak_mb: over(|cost, _| cost.memory_peak_mb as f64),
        costs,
    };
    settings.reporting.give(report.bench, &table(&report), &report.targets, &report)
}

fn table(report: &Report) -> String {
    let rows = [
        ("CPU seconds per million records", report.cpu_seconds_per_million.to_string()),
        ("records per second", report.records_per_second.rounded()),
        ("records per request", report.records_per_request.rounded()),
        ("peak memory, MB", report.memory_peak_mb.rounded()),
    ];
    rows.iter().map(|(what, figure)| format!("{what:<33} {figure}\n")).collect()
}
