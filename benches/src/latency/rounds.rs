//! The rates that are measured, and what they say.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use serde::Serialize;

use super::rate::{self, AtRate};
use crate::programs;
use crate::report::{Machine, Reporting, Target};

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Kafka's address.
    #[arg(long, env = "KAFKA_BROKERS", default_value = "127.0.0.1:9092")]
    brokers: String,
    /// Minutes at each rate.
    #[arg(long, default_value_t = 5.0, value_parser = minutes)]
    minutes: f64,
    /// The fixed rate, records per second.
    #[arg(long, default_value_t = 20_000.0)]
    rate: f64,
    /// The sustainable rate, if it is known; otherwise it is looked for.
    #[arg(long)]
    sustainable: Option<f64>,
    /// Seconds for which a rate must be kept up to count as sustainable.
    #[arg(long, default_value_t = 60)]
    probe_seconds: u64,
    #[command(flatten)]
    reporting: Reporting,
}

/// From one rate that is kept up to the next that is tried.
const STEP: f64 = 1.5;

/// How often the gap between a rate that is kept up and one that is not is halved.
const HALVINGS: u32 = 2;

/// No machine for which this is meant takes more.
const RATE_MAX: f64 = 2_000_000.0;

#[derive(Debug, Serialize)]
struct Report {
    bench: &'static str,
    machine: Machine,
    targets: Vec<Target>,
    /// The highest rate at which nothing fell behind.
    sustainable: f64,
    probes: Vec<AtRate>,
    fixed: AtRate,
    half_of_sustainable: AtRate,
}

/// Measures at both rates and reports.
pub(crate) fn run(settings: &Settings) -> Result<()> {
    let machine = Machine::this();
    programs::build()?;
    let seconds = (settings.minutes * 60.0).round() as u64;
    let fixed = at(settings, settings.rate, seconds)?;
    let mut probes = Vec::new();
    let sustainable = match settings.sustainable {
        Some(known) => known,
        None => find(settings, &mut probes)?,
    };
    let half_of_sustainable = at(settings, sustainable / 2.0, seconds)?;
    let (at_fixed, at_half) = (&fixed, &half_of_sustainable);
    let targets = vec![
        Target::at_most("p99 at the fixed rate, ms", 10.0, at_fixed.p99_ms),
        Target::at_most("p99.9 at the fixed rate, ms", 25.0, at_fixed.p999_ms),
        Target::at_most("p99 at half of the sustainable rate, ms", 10.0, at_half.p99_ms),
        Target::at_most("p99.9 at half of the sustainable rate, ms", 25.0, at_half.p999_ms),
    ];
    let report =
        Report { bench: "latency", machine, targets, sustainable, probes, fixed, half_of_sustainable };
    settings.reporting.give(report.bench, &table(&report)?, &report.targets, &report)
}

/// The highest rate that is kept up.
fn find(settings: &Settings, probes: &mut Vec<AtRate>) -> Result<f64> {
    let mut keeps_up = |rate: f64| -> Result<bool> {
        let probe = at(settings, rate, settings.probe_seconds)?;
        let kept_up = probe.kept_up;
        probes.push(probe);
        Ok(kept_up)
    };
    let (mut low, mut high) = (0.0, settings.rate);
    while keeps_up(high)? {
        (low, high) = (high, high * STEP);
        if high > RATE_MAX {
            bail!("{low} records per second are kept up: name a sustainable rate");
        }
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if keeps_up(middle)? {
            low = middle;
        } else {
            high = middle;
        }
    }
    if low == 0.0 {
        bail!("not even {high:.0} records per second are kept up");
    }
    Ok(low)
}

fn at(settings: &Settings, rate: f64, seconds: u64) -> Result<AtRate> {
    let found = rate::at(&settings.brokers, rate, seconds)?;
    let AtRate { p50_ms, p99_ms, p999_ms, hiccups, load, .. } = &found;
    let how = if found.kept_up { "kept up" } else { "fell behind" };
    eprintln!(
        "{rate:.0} a second for {seconds} s: {how}; p50 {p50_ms} ms, p99 {p99_ms}, p99.9 {p999_ms}; \
         due to acknowledged: {}; hiccups: {hiccups}",
        load.ack_latency_us
    );
    Ok(found)
}

fn table(report: &Report) -> Result<String> {
    let mut table = format!(
        "sustainable: {:.0} records a second\n\
         rate       p50 ms <=  p99 ms <=  p99.9 ms <=  all ms <=  due to acknowledged; hiccups, ms\n",
        report.sustainable
    );
    for at in [&report.fixed, &report.half_of_sustainable] {
        let AtRate { rate, p50_ms, p99_ms, p999_ms, all_ms, hiccups, load, .. } = at;
        let acked = load.ack_latency_us;
        writeln!(
            table,
            "{rate:<10.0} {p50_ms:<10} {p99_ms:<10} {p999_ms:<12} {all_ms:<10} {acked}; {hiccups}"
        )?;
    }
    Ok(table)
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes = text.parse::<f64>().map_err(|error| error.to_string())?;
    let possible = (0.1..=600.0).contains(&minutes);
    possible.then_some(minutes).ok_or_else(|| "it must be from 0.1 to 600".to_owned())
}
