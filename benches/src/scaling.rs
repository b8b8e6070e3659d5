//! Whether a record costs the same whatever the number of keys and partitions: the whole flow over topics that differ
//! in nothing else, rounds interleaved.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::programs;
use crate::report::{Machine, Reporting, Spread, Target};
use crate::whole_flow::{Cost, Events, cost_of};

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Kafka's address.
    #[arg(long, env = "KAFKA_BROKERS", default_value = "127.0.0.1:9092")]
    brokers: String,
    /// Rounds; in each, message-indexer reads every topic once.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Records of each topic; they are filled unless they are there.
    #[arg(long, default_value_t = 1_000_000)]
    records: u64,
    /// Numbers of keys, with 8 partitions.
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1_000, 10_000, 100_000, 1_000_000])]
    keys: Vec<u32>,
    /// Numbers of partitions, with 10,000 keys.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 64])]
    partitions: Vec<u32>,
    #[command(flatten)]
    reporting: Reporting,
}

/// What a record may cost more where it costs most than where it costs least.
const FLAT: f64 = 1.1;

/// The number that stays while the other changes.
const KEYS: u32 = 10_000;
const PARTITIONS: u32 = 8;

#[derive(Debug, Serialize)]
struct Measured {
    keys: u32,
    partitions: u32,
    cpu_seconds_per_million: Spread,
    records_per_second: Spread,
    memory_peak_mb: Spread,
    rounds: Vec<Cost>,
}

#[derive(Debug, Serialize)]
struct Report {
    bench: &'static str,
    records: u64,
    rounds: u32,
    machine: Machine,
    targets: Vec<Target>,
    by_keys: Vec<Measured>,
    by_partitions: Vec<Measured>,
}

/// Runs all rounds and reports.
pub(crate) fn run(settings: &Settings) -> Result<()> {
    let machine = Machine::this();
    programs::build()?;
    let Settings { records, brokers, .. } = settings;
    let events =
        |conversations: u32, partitions: u32| Events { records: *records, conversations, partitions };
    let by_keys: Vec<_> = settings.keys.iter().map(|keys| events(*keys, PARTITIONS)).collect();
    let by_partitions: Vec<_> =
        settings.partitions.iter().map(|partitions| events(KEYS, *partitions)).collect();
    let mut all: Vec<Events> = Vec::new();
    for events in by_keys.iter().chain(&by_partitions) {
        if !all.contains(events) {
            events.ensure(brokers)?;
            all.push(*events);
        }
    }
    let mut found: Vec<(String, Cost)> = Vec::new();
    for round in 0..settings.rounds {
        for (number, events) in all.iter().enumerate() {
            let topic = events.topic();
            let group = format!("thalweg-bench-scaling-{}-{round}-{number}", std::process::id());
            let cost = cost_of(brokers, *events, &group).with_context(|| topic.clone())?;
            let per_million = cost.cpu_seconds * 1e6 / *records as f64;
            eprintln!("round {} {topic}: {per_million:.2} CPU seconds per million, verified", round + 1);
            found.push((topic, cost));
        }
    }
    let sum_up = |series: &[Events]| series.iter().map(|events| measured(*events, &found)).collect();
    let (by_keys, by_partitions): (Vec<_>, Vec<_>) = (sum_up(&by_keys), sum_up(&by_partitions));
    let report = Report {
        bench: "scaling",
        records: *records,
        rounds: settings.rounds,
        machine,
        targets: vec![
            Target::at_most("CPU per record, most by keys of least by keys", FLAT, steepness(&by_keys)),
            Target::at_most(
                "CPU per record, most by partitions of least by partitions",
                FLAT,
                steepness(&by_partitions),
            ),
        ],
        by_keys,
        by_partitions,
    };
    settings.reporting.give(report.bench, &table(&report)?, &report.targets, &report)
}

fn measured(events: Events, found: &[(String, Cost)]) -> Measured {
    let topic = events.topic();
    let rounds: Vec<Cost> =
        found.iter().filter(|(of, _)| *of == topic).map(|(_, cost)| cost.clone()).collect();
    let records = events.records as f64;
    let over = |figure: &dyn Fn(&Cost) -> f64| Spread::of(rounds.iter().map(figure).collect());
    Measured {
        keys: events.conversations,
        partitions: events.partitions,
        cpu_seconds_per_million: over(&|cost| cost.cpu_seconds * 1e6 / records),
        records_per_second: over(&|cost| records / cost.wall_seconds),
        memory_peak_mb: over(&|cost| cost.memory_peak_mb as f64),
        rounds,
    }
}

/// The largest median by the smallest.
fn steepness(series: &[Measured]) -> f64 {
    let medians = || series.iter().map(|measured| measured.cpu_seconds_per_million.median);
    medians().fold(0.0, f64::max) / medians().fold(f64::INFINITY, f64::min)
}

fn table(report: &Report) -> Result<String> {
    let mut table = String::from(
        "keys       partitions  CPU-s per million: median (min to max)  records per second          peak MB\n",
    );
    for measured in report.by_keys.iter().chain(&report.by_partitions) {
        let Measured { keys, partitions, cpu_seconds_per_million, .. } = measured;
        let cost = cpu_seconds_per_million.to_string();
        let (rate, memory) = (measured.records_per_second.rounded(), measured.memory_peak_mb.rounded());
        writeln!(table, "{keys:<10} {partitions:<11} {cost:<39} {rate:<27} {memory}")?;
    }
    Ok(table)
}
