//! How much memory the flow holds: at full rate, with many partitions and many keys, for minutes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use thalweg_benches::cpu;

use crate::ground::Ground;
use crate::programs;
use crate::programs::loadgen::{Loaded, Loadgen};
use crate::report::{Machine, Reporting, Spread, Target};

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Kafka's address.
    #[arg(long, env = "KAFKA_BROKERS", default_value = "127.0.0.1:9092")]
    brokers: String,
    /// Minutes under load.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Records per second: what this machine sustains, see `latency`.
    #[arg(long, default_value_t = 40_000.0)]
    rate: f64,
    /// Partitions of the topic.
    #[arg(long, default_value_t = 64)]
    partitions: u32,
    /// Keys of the records.
    #[arg(long, default_value_t = 1_000_000)]
    keys: u32,
    #[command(flatten)]
    reporting: Reporting,
}

/// The limit.
const RESIDENT_MB: f64 = 300.0;

/// What the last third may hold more than the one before. In the first the dedupe windows fill: 100,000 records of each
/// partition.
const FLAT: f64 = 1.05;

const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Serialize)]
struct Report {
    bench: &'static str,
    machine: Machine,
    targets: Vec<Target>,
    partitions: u32,
    keys: u32,
    rate: f64,
    peak_mb: u64,
    /// Medians of the run's thirds.
    thirds_mb: [f64; 3],
    /// Records finished.
    finished: u64,
    lag_at_most: u64,
    load: Loaded,
    /// Each second, in MB.
    resident_mb: Vec<u64>,
}

/// Runs the flow under load and reports.
pub(crate) fn run(settings: &Settings) -> Result<()> {
    let machine = Machine::this();
    programs::build()?;
    let Settings { brokers, partitions, keys, rate, .. } = settings;
    let (partitions, keys, rate) = (*partitions, *keys, *rate);
    let seconds = (settings.minutes * 60.0).round() as u64;
    // Keeping documents would take gigabytes; without updates nobody asks for one.
    let ground = Ground::with_stand_in(brokers, "memory", partitions, "nothing")?;
    let mut indexer = ground.start_alone(&[])?;
    let rate_text = rate.to_string();
    let options = ["--rate", &rate_text, "--seconds", &seconds.to_string(), "--updates", "0"];
    let more = ["--conversations".to_owned(), keys.to_string()];
    let options: Vec<_> = options.map(str::to_owned).into_iter().chain(more).collect();
    let loadgen = Loadgen::start(brokers, ground.topic(), &options)?;
    let (mut resident_mb, mut lag_at_most, mut finished) = (Vec::new(), 0, 0);
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        std::thread::sleep(LOOK_EVERY);
        let Some(metrics) = indexer.metrics()? else { continue };
        resident_mb.push(cpu::memory_now_mb(indexer.pid())?);
        lag_at_most = lag_at_most.max(metrics.sum("thalweg_lag_records", "").unwrap_or_default());
        finished = metrics.sum("thalweg_records_total", "").unwrap_or_default();
    }
    let peak_mb = cpu::memory_peak_mb(indexer.pid())?;
    let load = loadgen.finish()?;
    indexer.stop()?;
    if finished == 0 {
        bail!("nothing was finished");
    }
    let thirds_mb = thirds(&resident_mb).context("the run was too short to be cut in three")?;
    let [_, second, third] = thirds_mb;
    let targets = vec![
        Target::at_most("resident MB, peak", RESIDENT_MB, peak_mb as f64),
        Target::at_most("resident memory, last third of the one before", FLAT, third / second),
    ];
    let report = Report {
        bench: "memory",
        machine,
        targets,
        partitions,
        keys,
        rate,
        peak_mb,
        thirds_mb,
        finished,
        lag_at_most,
        load,
        resident_mb,
    };
    settings.reporting.give(report.bench, &table(&report), &report.targets, &report)
}

/// The medians of three parts of equal length; `None` when there are fewer figures than parts.
fn thirds(figures: &[u64]) -> Option<[f64; 3]> {
    let length = figures.len() / 3;
    let part = |index: usize| {
        let part = figures.get(index * length..(index + 1) * length)?;
        Some(Spread::of(part.iter().map(|mb| *mb as f64).collect()).median)
    };
    (length > 0).then_some([part(0)?, part(1)?, part(2)?])
}

fn table(report: &Report) -> String {
    let Report { partitions, keys, load, peak_mb, thirds_mb: [first, second, third], .. } = report;
    format!(
        "{partitions} partitions, {keys} keys, {:.0} records a second, {} finished, lag at most {}\n\
         resident MB: peak {peak_mb}; medians of the thirds {first:.0}, {second:.0}, {third:.0}\n",
        load.rate, report.finished, report.lag_at_most
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_cut_in_three() {
        assert_eq!(thirds(&[1, 2, 3, 10, 20, 30, 5, 5, 9, 700]), Some([2.0, 20.0, 5.0]));
        assert_eq!(thirds(&[1, 2]), None);
    }
}
