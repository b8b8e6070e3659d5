//! How long effects stay away: after `kill -9`, until the first effect of a successor that is started at once, and when
//! a second instance joins.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::Serialize;
use thalweg_testbed::stand_in::{StandIn, StandInOptions};

use crate::ground::Ground;
use crate::programs;
use crate::programs::instance::Instance;
use crate::programs::loadgen::Loadgen;
use crate::report::{Machine, Reporting, Spread, Target};

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Kafka's address.
    #[arg(long, env = "KAFKA_BROKERS", default_value = "127.0.0.1:9092")]
    brokers: String,
    /// Kills, and as many times a second instance that joins.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Records per second meanwhile.
    #[arg(long, default_value_t = 5_000.0)]
    rate: f64,
    #[command(flatten)]
    reporting: Reporting,
}

/// From the kill to the successor's first effect.
const RESTART_MS: f64 = 2_000.0;

/// Effects run for so long between two blows.
const CALM: Duration = Duration::from_secs(3);

/// What a killed process has sent is on the sink's side of the socket, and answered, by then.
const AFTER_EFFECTS: Duration = Duration::from_millis(50);

/// Longer than any session: who has no effect by then has failed.
const EFFECT_WITHIN: Duration = Duration::from_secs(90);

/// How often the sink is looked at: a memory read.
const LOOK_EVERY: Duration = Duration::from_millis(1);

#[derive(Debug, Serialize)]
struct Report {
    bench: &'static str,
    machine: Machine,
    targets: Vec<Target>,
    rate: f64,
    /// From `kill -9` of the only instance to the first effect of its successor, ms.
    kill_to_effect_ms: Spread,
    /// From the start of a second instance to its first effect, ms.
    join_to_effect_ms: Spread,
    /// The longest time without any effect while it joined, ms.
    join_pause_ms: Spread,
    /// The most that an effect was late while it joined, ms (an upper bound): of the partitions that moved.
    join_latest_ms: Spread,
    kills: Vec<f64>,
    joins: Vec<Join>,
}

#[derive(Debug, Clone, Serialize)]
struct Join {
    effect_ms: f64,
    pause_ms: f64,
    latest_ms: f64,
}

/// Runs all rounds and reports.
pub(crate) fn run(settings: &Settings) -> Result<()> {
    let machine = Machine::this();
    programs::build()?;
    let Settings { brokers, rate, .. } = settings;
    // In this process: so its counter can be read every millisecond.
    let sink = StandIn::start(&StandInOptions::default())?;
    let ground = Ground::before(brokers, "restart", 8, sink.url())?;
    let pace = ["--rate".to_owned(), rate.to_string()];
    let loadgen = Loadgen::start(brokers, ground.topic(), &pace)?;
    let mut kills = Vec::new();
    let mut only = ground.start_alone(&named("first"))?;
    for round in 0..settings.rounds {
        calm(&sink)?;
        let (successor, ms) = kill_and_restart(&ground, &sink, only)?;
        eprintln!("kill {}: first effect of the successor after {ms:.0} ms", round + 1);
        kills.push(ms);
        only = successor;
    }
    let mut joins = Vec::new();
    for round in 0..settings.rounds {
        calm(&sink)?;
        let join = join(&ground, &sink, &mut only)?;
        eprintln!("join {}: {join:?}", round + 1);
        joins.push(join);
    }
    loadgen.stop()?;
    only.stop()?;
    let over = |figure: fn(&Join) -> f64| Spread::of(joins.iter().map(figure).collect());
    let kill_to_effect_ms = Spread::of(kills.clone());
    let what = "ms from kill -9 to the successor's first effect";
    let report = Report {
        bench: "restart",
        machine,
        targets: vec![Target::at_most(what, RESTART_MS, kill_to_effect_ms.median)],
        rate: *rate,
        kill_to_effect_ms,
        join_to_effect_ms: over(|join| join.effect_ms),
        join_pause_ms: over(|join| join.pause_ms),
        join_latest_ms: over(|join| join.latest_ms),
        kills,
        joins,
    };
    settings.reporting.give(report.bench, &table(&report), &report.targets, &report)
}

/// A static member: its successor takes its partitions up at once.
fn named(instance: &str) -> Vec<String> {
    vec![format!("kafka.group.instance_id={instance}")]
}

/// Waits until effects have flowed for a while.
fn calm(sink: &StandIn) -> Result<()> {
    until_effect(sink)?;
    std::thread::sleep(CALM);
    Ok(())
}

fn until_effect(sink: &StandIn) -> Result<()> {
    let (before, begun) = (sink.items(), Instant::now());
    while sink.items() == before {
        if begun.elapsed() > EFFECT_WITHIN {
            bail!("no effect for {EFFECT_WITHIN:?}");
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

fn kill_and_restart(ground: &Ground<'_>, sink: &StandIn, victim: Instance) -> Result<(Instance, f64)> {
    victim.kill()?;
    let killed = Instant::now();
    let successor = ground.start(&named("first"))?;
    std::thread::sleep(AFTER_EFFECTS);
    until_effect(sink)?;
    Ok((successor, killed.elapsed().as_secs_f64() * 1e3))
}

/// A second instance joins, and leaves again.
fn join(ground: &Ground<'_>, sink: &StandIn, first: &mut Instance) -> Result<Join> {
    let latencies_of = |indexer: &mut Instance| {
        indexer.until(EFFECT_WITHIN, "answering", |metrics| Some(metrics.end_to_end()))
    };
    let before = latencies_of(first)?;
    let begun = Instant::now();
    // Without a name: a static member that has left would be waited for.
    let mut second = ground.start(&[])?;
    let (mut last, mut pause, mut effect) = ((sink.items(), begun), Duration::ZERO, None);
    let mut next_look = begun;
    // On until effects have flowed on both sides for a while.
    while effect.is_none_or(|effect: Duration| begun.elapsed() < effect + CALM) {
        std::thread::sleep(LOOK_EVERY);
        let (items, now) = (sink.items(), Instant::now());
        if items > last.0 {
            (pause, last) = (pause.max(now - last.1), (items, now));
        }
        if effect.is_none() && now >= next_look {
            next_look = now + Duration::from_millis(20);
            let delivered = second
                .metrics()?
                .and_then(|metrics| metrics.sum("thalweg_records_total", "outcome=\"delivered\""));
            effect = delivered.filter(|delivered| *delivered > 0).map(|_| begun.elapsed());
        }
        if begun.elapsed() > EFFECT_WITHIN {
            bail!("the second instance had no effect within {EFFECT_WITHIN:?}");
        }
    }
    let late = latencies_of(first)?.since(&before).and(&latencies_of(&mut second)?);
    second.stop()?;
    ground.until_alone(first)?;
    Ok(Join {
        effect_ms: effect.unwrap_or_default().as_secs_f64() * 1e3,
        pause_ms: pause.as_secs_f64() * 1e3,
        latest_ms: late.below_ms(1.0),
    })
}

fn table(report: &Report) -> String {
    let rows = [
        ("kill -9 to the successor's first effect, ms", &report.kill_to_effect_ms),
        ("start of a second instance to its first effect, ms", &report.join_to_effect_ms),
        ("longest pause of all effects while it joined, ms", &report.join_pause_ms),
        ("latest effect while it joined, at most ms", &report.join_latest_ms),
    ];
    rows.iter().map(|(what, spread)| format!("{what:<52} {}\n", spread.rounded())).collect()
}
