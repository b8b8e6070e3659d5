//! The interleaved rounds, and what they say.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use super::arm::Arm;
use super::backlog::{self, Worked};
use super::paced::{self, Kept, Pace};
use super::records::Numbered;
use super::scene::Told;
use crate::programs;
use crate::report::{Machine, Reporting, Spread, Target};
use crate::topic::warm;

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Kafka's address.
    #[arg(long, env = "KAFKA_BROKERS", default_value = "127.0.0.1:9092")]
    brokers: String,
    /// Rounds; in each, every arm works off the backlog once, and keeps up with the load once.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How long an arm works on the backlog, from its first commit on.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Records of the backlog, more than an arm can work off in that time; it is filled unless it is there.
    #[arg(long, default_value_t = 30_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    records: u64,
    /// Records per second of the load.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..))]
    rate: u64,
    /// How long the load is measured; 0: there is none.
    #[arg(long, default_value_t = 60)]
    paced_seconds: u64,
    /// How long it lasts before that.
    #[arg(long, default_value_t = 20)]
    warm_seconds: u64,
    /// Keys, a multiple of the partitions.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    keys: u64,
    /// Partitions of all topics.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(i32).range(1..=1_000))]
    partitions: i32,
    /// How long a transaction goes on while there is more to read: the same for all arms.
    #[arg(long, default_value_t = 50)]
    commit_interval_ms: u64,
    /// How many offsets back in a partition duplicates are told.
    #[arg(long, default_value_t = 100_000)]
    window: u64,
    /// Only these arms; the peers must have been prepared.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["thalweg", "bare", "kafka-streams"])]
    arms: Vec<Arm>,
    #[command(flatten)]
    reporting: Reporting,
}

/// The engine's CPU by that of the bare loop, and by that of Kafka Streams.
const OF_BARE: f64 = 1.2;
const OF_STREAMS: f64 = 1.0 / 3.0;

/// How long every arm has to work.
const SECONDS: f64 = 60.0;

/// One life of an arm on the backlog, and one under the load.
#[derive(Debug, Clone, Serialize)]
struct Round {
    backlog: Worked,
    paced: Option<Kept>,
}

/// One arm, over all rounds.
#[derive(Debug, Serialize)]
struct Measured {
    arm: Arm,
    records_per_second: Spread,
    cpu_seconds_per_million: Spread,
    process_cpu_seconds_per_million: Spread,
    memory_peak_mb: Spread,
    p99_ms: Option<Spread>,
    paced_cpu_seconds_per_million: Option<Spread>,
    rounds: Vec<Round>,
}

#[derive(Debug, Serialize)]
struct Report {
    bench: &'static str,
    machine: Machine,
    targets: Vec<Target>,
    records: u64,
    rate: u64,
    keys: u64,
    partitions: i32,
    commit_interval_ms: u64,
    window: u64,
    /// The engine's CPU seconds by those of each other arm, round by round.
    of: Vec<(Arm, Spread)>,
    measured: Vec<Measured>,
}

/// Runs all rounds and reports.
pub(crate) fn run(settings: &Settings) -> Result<()> {
    let machine = Machine::this();
    let Settings { keys, partitions, records, .. } = *settings;
    if keys % u64::from(partitions.unsigned_abs()) != 0 {
        bail!("{keys} keys can't be divided among {partitions} partitions: take a multiple");
    }
    programs::build()?;
    let numbered = Numbered::new(keys, partitions);
    let told = Told {
        brokers: settings.brokers.clone(),
        window: settings.window,
        commit_interval_ms: settings.commit_interval_ms,
    };
    let source = backlog::ensure(&told.brokers, &numbered, records)?;
    let mut found = Vec::new();
    for round in 1..=settings.rounds {
        for arm in &settings.arms {
            warm(&told.brokers, &source, records)?;
            let lived = live(settings, *arm, &source, &numbered, &told)
                .with_context(|| format!("{} in round {round}", arm.name()))?;
            eprintln!("round {round} {}", line(*arm, &lived));
            found.push((*arm, lived));
        }
    }
    let measured: Vec<_> = settings.arms.iter().map(|arm| sum_up(&found, *arm)).collect();
    let of = ratios(&measured);
    let report = Report {
        bench: "exactly-once",
        machine,
        targets: targets(&of, &measured),
        records,
        rate: settings.rate,
        keys,
        partitions,
        commit_interval_ms: settings.commit_interval_ms,
        window: settings.window,
        of,
        measured,
    };
    settings.reporting.give(report.bench, &table(&report), &report.targets, &report)
}

fn live(settings: &Settings, arm: Arm, source: &str, numbered: &Numbered, told: &Told) -> Result<Round> {
    let backlog = backlog::work(arm, source, numbered, told, Duration::from_secs(settings.seconds))?;
    let Settings { rate, warm_seconds, paced_seconds: seconds, .. } = *settings;
    let pace = Pace { rate, warm_seconds, seconds };
    let paced = (seconds > 0).then(|| paced::keep_up(arm, numbered, told, pace)).transpose()?;
    Ok(Round { backlog, paced })
}

fn line(arm: Arm, Round { backlog, paced }: &Round) -> String {
    let late = paced.as_ref().map_or(String::new(), |kept| {
        format!("; under load p50 {:.1} ms, p99 {:.1}, max {:.1}", kept.p50_ms, kept.p99_ms, kept.max_ms)
    });
    format!(
        "{}: {:.2} CPU seconds per million, {:.0} records per second for {:.1} s{late}",
        arm.name(),
        backlog.cpu_seconds_per_million,
        backlog.records_per_second,
        backlog.seconds
    )
}

fn sum_up(found: &[(Arm, Round)], arm: Arm) -> Measured {
    let rounds: Vec<_> = found.iter().filter(|(by, _)| *by == arm).map(|(_, round)| round.clone()).collect();
    let over =
        |figure: fn(&Worked) -> f64| Spread::of(rounds.iter().map(|round| figure(&round.backlog)).collect());
    let paced = |figure: fn(&Kept) -> f64| {
        let figures: Vec<_> = rounds.iter().filter_map(|round| round.paced.as_ref()).map(figure).collect();
        (!figures.is_empty()).then(|| Spread::of(figures))
    };
    Measured {
        arm,
        records_per_second: over(|worked| worked.records_per_second),
        cpu_seconds_per_million: over(|worked| worked.cpu_seconds_per_million),
        process_cpu_seconds_per_million: over(|worked| worked.process_cpu_seconds_per_million),
        memory_peak_mb: over(|worked| worked.memory_peak_mb as f64),
        p99_ms: paced(|kept| kept.p99_ms),
        paced_cpu_seconds_per_million: paced(|kept| kept.cpu_seconds_per_million),
        rounds,
    }
}

/// The engine's CPU by that of each other arm, round by round.
fn ratios(measured: &[Measured]) -> Vec<(Arm, Spread)> {
    let Some(ours) = measured.iter().find(|measured| measured.arm == Arm::Thalweg) else { return Vec::new() };
    let others = measured.iter().filter(|other| other.arm != Arm::Thalweg);
    let cpu = |round: &Round| round.backlog.cpu_seconds_per_million;
    others
        .map(|other| {
            let pairs = ours.rounds.iter().zip(&other.rounds);
            (other.arm, Spread::of(pairs.map(|(ours, other)| cpu(ours) / cpu(other)).collect()))
        })
        .collect()
}

fn targets(of: &[(Arm, Spread)], measured: &[Measured]) -> Vec<Target> {
    let mut targets: Vec<_> = of
        .iter()
        .map(|(arm, ratio)| match arm {
            Arm::Bare => Target::at_most("CPU of the bare loop's", OF_BARE, ratio.median),
            Arm::KafkaStreamsForgetful => {
                Target::at_most("CPU of that of Kafka Streams that forgets", OF_STREAMS, ratio.median)
            }
            _ => Target::at_most("CPU of that of Kafka Streams", OF_STREAMS, ratio.median),
        })
        .collect();
    let shortest = measured
        .iter()
        .flat_map(|measured| &measured.rounds)
        .map(|round| round.backlog.seconds)
        .fold(f64::INFINITY, f64::min);
    // A look comes up to a commit late.
    targets.push(Target::at_least("seconds that each arm had worked", SECONDS - 1.0, shortest));
    targets
}

fn table(report: &Report) -> String {
    let mut table = String::from(
        "arm                      records per second          CPU-s per million         under load: p99 ms     CPU-s per million         peak MB\n",
    );
    for measured in &report.measured {
        let of = |spread: &Option<Spread>| spread.as_ref().map_or(String::new(), Spread::to_string);
        table.push_str(&format!(
            "{:<24} {:<27} {:<25} {:<22} {:<25} {}\n",
            measured.arm.name(),
            measured.records_per_second.rounded(),
            measured.cpu_seconds_per_million.to_string(),
            of(&measured.p99_ms),
            of(&measured.paced_cpu_seconds_per_million),
            measured.memory_peak_mb.rounded(),
        ));
    }
    for (arm, ratio) in &report.of {
        table.push_str(&format!("thalweg's CPU by that of {}: {ratio}\n", arm.name()));
    }
    table
}
