//! The command: runs seeds, replays one, or shows that sabotages are caught.

use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use serde_json::{Map, Value, json};
use thalweg_sim::campaign::{Campaign, Caught, Guarantee, catch_all};
use thalweg_sim::checks::INVARIANTS;
use thalweg_sim::sabotage::Sabotage;
use thalweg_sim::{Count, Options, Run, Watch};

/// Runs the engine through simulated histories: crashes, rebalances, partial failures, late answers, clock jumps.
///
/// A seed has three histories: one of an at-least-once flow that writes documents, one of an at-least-once flow that makes
/// calls whose answers become records, and one of an exactly-once flow that keeps counters and timers in transactions. Each
/// follows from the seed alone. After and during each run invariants are checked
/// (list them with --invariants). A failing history prints the command that replays it.
///
/// The report's `share_with` says in which share of the histories a kind of fault occurred at least once. Where it can occur
/// in several kinds of history it is the lowest of their shares, and each share is one of all histories of that kind.
///
/// Examples:
///
///   thalweg-sim --seeds 2000                  two thousand seeds, on all cores
///   thalweg-sim --seed 42                     one seed's histories, told event by event
///   thalweg-sim --sabotage all                breaks the engine in every known way: each must be caught
///   thalweg-sim --sabotage commit_before_ack  breaks it in one way
///   thalweg-sim --seed 42 --sabotage no_bisect  one broken history, told event by event
#[derive(Parser)]
#[command(name = "thalweg-sim", verbatim_doc_comment)]
struct Arguments {
    /// How many seeds; with --sabotage, after how many a sabotage has escaped
    #[arg(long, value_name = "COUNT", default_value_t = 2_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    first_seed: u64,
    /// Tell this seed's histories, event by event
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "first_seed"])]
    seed: Option<u64>,
    /// Only the histories of flows with that guarantee
    #[arg(long, value_enum)]
    guarantee: Option<OnlyGuarantee>,
    /// Break the engine: `all`, or the name of a sabotage
    #[arg(long, value_name = "NAME")]
    sabotage: Option<String>,
    /// What to print at the end
    #[arg(long, value_enum, default_value_t = Report::Text)]
    report: Report,
    /// List the invariants, and the sabotages, and stop
    #[arg(long)]
    invariants: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnlyGuarantee {
    AtLeastOnce,
    Calls,
    ExactlyOnce,
}

impl Arguments {
    fn guarantees(&self) -> &'static [Guarantee] {
        match self.guarantee {
            None => &Guarantee::ALL,
            Some(OnlyGuarantee::AtLeastOnce) => &[Guarantee::AtLeastOnce],
            Some(OnlyGuarantee::Calls) => &[Guarantee::Calls],
            Some(OnlyGuarantee::ExactlyOnce) => &[Guarantee::ExactlyOnce],
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Report {
    /// For people
    Text,
    /// One line of JSON, the last one
    Json,
}

/// Writes a line to standard output; a closed pipe ends the program quietly, as it does for other tools.
fn say(line: &str) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(0);
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.invariants {
        for (name, says) in INVARIANTS {
            say(&format!("{name:27} {says}"));
        }
        let names: Vec<String> = Sabotage::all().into_iter().map(Sabotage::name).collect();
        say(&format!("\nsabotages: {}", names.join(", ")));
        return ExitCode::SUCCESS;
    }
    let sabotages = match arguments.sabotage.as_deref().map(named) {
        None => None,
        Some(Ok(sabotages)) => Some(sabotages),
        Some(Err(complaint)) => {
            let _ = writeln!(std::io::stderr(), "error: {complaint}");
            return ExitCode::from(2);
        }
    };
    match (arguments.seed, sabotages) {
        (Some(seed), sabotages) => {
            replay(seed, &arguments, sabotages.and_then(|found| found.first().copied()))
        }
        (None, None) => histories(&arguments),
        (None, Some(sabotages)) => break_it(&arguments, &sabotages),
    }
}

fn named(name: &str) -> Result<Vec<Sabotage>, String> {
    if name == "all" {
        return Ok(Sabotage::all());
    }
    let names: Vec<String> = Sabotage::all().into_iter().map(Sabotage::name).collect();
    let found = Sabotage::named(name).map(|sabotage| vec![sabotage]);
    found.ok_or_else(|| format!("no sabotage is named {name:?}; there are: all, {}", names.join(", ")))
}

fn replay(seed: u64, arguments: &Arguments, sabotage: Option<Sabotage>) -> ExitCode {
    let meant = |guarantee: &&Guarantee| sabotage.is_none_or(|sabotage| sabotage.guarantee() == **guarantee);
    let mut holds = true;
    for guarantee in arguments.guarantees().iter().filter(meant) {
        let told = guarantee.run(seed, Options { sabotage, watch: Watch::Print });
        say(&format!("counters: {}", Value::Object(told.tally.as_json())));
        let name = guarantee.name();
        match told.violation {
            None => say(&format!("seed {seed}, {name}: every invariant holds")),
            Some(violation) => {
                say(&format!("seed {seed}, {name}: {} is broken: {}", violation.invariant, violation.detail));
                holds = false;
            }
        }
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn histories(arguments: &Arguments) -> ExitCode {
    let started = Instant::now();
    let count = arguments.seeds;
    let watched = std::io::stderr().is_terminal();
    let progress = |guarantee: Guarantee, done: u64| {
        if watched && (done.is_multiple_of(50) || done == count) {
            let _ = write!(std::io::stderr(), "\r{done} of {count} seeds, {} ", guarantee.name());
        }
    };
    let campaign = Campaign::run(arguments.guarantees(), arguments.first_seed, count, progress);
    if watched {
        let _ = writeln!(std::io::stderr());
    }
    campaign.failed().take(5).for_each(|(guarantee, failed)| explain(guarantee, failed));
    let seconds = started.elapsed().as_secs_f64();
    match arguments.report {
        Report::Json => say(&histories_json(&campaign, count, seconds)),
        Report::Text => histories_text(&campaign, count, seconds),
    }
    if campaign.failed().next().is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a failed seed once more, watched, and tells its end.
fn explain(guarantee: Guarantee, failed: &Run) {
    let (seed, name) = (failed.seed, guarantee.name());
    let told = guarantee.run(seed, Options { watch: Watch::Tail, ..Options::default() });
    let Some(violation) = told.violation else {
        say(&format!("seed {seed} ({name}) failed, and did not fail again: the run is not deterministic"));
        return;
    };
    say(&format!("\nseed {seed}, {name}: {} is broken: {}", violation.invariant, violation.detail));
    let skipped = told.last_events.len().saturating_sub(25);
    for line in &told.last_events[skipped..] {
        say(&format!("  {}", line.chars().take(220).collect::<String>()));
    }
    say(&format!("replay: cargo run --release -p thalweg-sim -- --seed {seed} --guarantee {name}"));
}

/// One line of JSON, in an order to be read by people too.
fn histories_json(campaign: &Campaign, seeds: u64, seconds: f64) -> String {
    let round = |share: f64| (share * 1_000.0).round() / 1_000.0;
    let failed: Vec<_> = campaign.failed().collect();
    let mut entries = vec![
        ("seeds", json!(seeds)),
        ("failed", json!(failed.len())),
        ("seconds", json!((seconds * 10.0).round() / 10.0)),
    ];
    let tally = campaign.tally();
    entries.extend(Count::ALL.iter().map(|count| (count.name(), json!(tally.of(*count)))));
    let shares = campaign.shares().map(|(count, share)| (count.name().to_owned(), json!(round(share))));
    entries.push(("share_with", Value::Object(shares.collect())));
    if !failed.is_empty() {
        let seeds: Vec<u64> = failed.iter().take(20).map(|(_, run)| run.seed).collect();
        entries.extend([("failed_seeds", json!(seeds)), ("broken", broken(campaign))]);
    }
    let entries: Vec<String> = entries.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", entries.join(","))
}

/// How often each invariant was broken.
fn broken(campaign: &Campaign) -> Value {
    let mut by_name = Map::new();
    for violation in campaign.failed().filter_map(|(_, run)| run.violation.as_ref()) {
        let times = by_name.get(violation.invariant).and_then(Value::as_u64).unwrap_or(0);
        by_name.insert(violation.invariant.to_owned(), json!(times + 1));
    }
    Value::Object(by_name)
}

fn histories_text(campaign: &Campaign, seeds: u64, seconds: f64) {
    for (guarantee, summary) in &campaign.summaries {
        say(&format!("{}:", guarantee.name()));
        for count in Count::ALL.iter().filter(|count| summary.tally.of(**count) > 0) {
            let (total, share) = (summary.tally.of(*count), summary.share_with(*count) * 100.0);
            say(&format!("  {:22} {total:>10}  in {share:.0} % of the seeds", count.name()));
        }
    }
    let failed = campaign.failed().count();
    say(&format!("{seeds} seeds in {seconds:.1} s, {failed} failed"));
}

fn break_it(arguments: &Arguments, sabotages: &[Sabotage]) -> ExitCode {
    let most = arguments.seeds;
    let told = |caught: &Caught| {
        let what = match caught.by {
            Some((after, invariant)) => format!("caught by {invariant} after {after} seeds"),
            None => format!("ESCAPED {most} seeds"),
        };
        let _ = writeln!(std::io::stderr(), "{:36} {what}", caught.sabotage.name());
    };
    let mut caught = Vec::new();
    let mut sound_fails = None;
    for guarantee in Guarantee::ALL {
        let shown = |sabotage: &&Sabotage| sabotage.guarantee() == guarantee;
        let shown: Vec<Sabotage> = sabotages.iter().filter(shown).copied().collect();
        let history = |seed, options| guarantee.run(seed, options);
        let these = catch_all(&history, &shown, arguments.first_seed, most, told);
        if let Some(seed) = these.iter().find_map(|caught| caught.sound_fails) {
            let name = guarantee.name();
            let replay = format!("cargo run --release -p thalweg-sim -- --seed {seed} --guarantee {name}");
            say(&format!("the unbroken engine fails too: {replay}"));
            sound_fails = Some(seed);
        }
        caught.extend(these);
    }
    if arguments.report == Report::Json {
        let each: Vec<String> = caught.iter().map(caught_json).collect();
        let fails = json!(sound_fails);
        say(&format!("{{\"sabotages\":[{}],\"unbroken_engine_fails\":{fails}}}", each.join(",")));
    }
    let all_caught = caught.iter().all(|caught| caught.by.is_some()) && sound_fails.is_none();
    if all_caught { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn caught_json(caught: &Caught) -> String {
    let name = caught.sabotage.name();
    match caught.by {
        Some((after, invariant)) => format!(
            "{{\"name\":\"{name}\",\"caught\":true,\"after_seeds\":{after},\"caught_by\":\"{invariant}\"}}"
        ),
        None => format!("{{\"name\":\"{name}\",\"caught\":false}}"),
    }
}
