//! The command: runs seeds, replays one, or shows that sabotages are caught.

use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use serde_json::{Map, Value, json};
use thalweg_sim::campaign::{Caught, Summary, catch_all, run_seeds};
use thalweg_sim::checks::INVARIANTS;
use thalweg_sim::message_flow::MessageFlow;
use thalweg_sim::sabotage::Sabotage;
use thalweg_sim::{Count, Options, Run, Watch, run};

/// Runs the engine through simulated histories: crashes, rebalances, partial failures, late answers, clock jumps.
///
/// Every history follows from its seed alone. After and during each run invariants are checked (list them with
/// --invariants). A failing seed prints the command that replays it.
///
/// Examples:
///
///   thalweg-sim --seeds 2000                  two thousand histories, on all cores
///   thalweg-sim --seed 42                     one history, told event by event
///   thalweg-sim --sabotage all                breaks the engine in every known way: each must be caught
///   thalweg-sim --sabotage commit_before_ack  breaks it in one way
///   thalweg-sim --seed 42 --sabotage no_bisect  one broken history, told event by event
#[derive(Parser)]
#[command(name = "thalweg-sim", verbatim_doc_comment)]
struct Arguments {
    /// How many histories; with --sabotage, after how many a sabotage has escaped (default 2000, or 400)
    #[arg(long, value_name = "COUNT")]
    seeds: Option<u64>,
    /// The first seed
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    first_seed: u64,
    /// Tell this one history, event by event
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "first_seed"])]
    seed: Option<u64>,
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
        (Some(seed), sabotages) => replay(seed, sabotages.and_then(|found| found.first().copied())),
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

fn replay(seed: u64, sabotage: Option<Sabotage>) -> ExitCode {
    let told = run(MessageFlow, seed, Options { sabotage, watch: Watch::Print });
    say(&format!("counters: {}", Value::Object(told.tally.as_json())));
    match told.violation {
        None => {
            say(&format!("seed {seed}: every invariant holds"));
            ExitCode::SUCCESS
        }
        Some(violation) => {
            say(&format!("seed {seed}: {} is broken: {}", violation.invariant, violation.detail));
            ExitCode::FAILURE
        }
    }
}

fn histories(arguments: &Arguments) -> ExitCode {
    let started = Instant::now();
    let count = arguments.seeds.unwrap_or(2_000);
    let watched = std::io::stderr().is_terminal();
    let progress = |done: u64| {
        if watched && (done.is_multiple_of(50) || done == count) {
            let _ = write!(std::io::stderr(), "\r{done} of {count} seeds ");
        }
    };
    let summary = run_seeds(&MessageFlow, arguments.first_seed, count, progress);
    if watched {
        let _ = writeln!(std::io::stderr());
    }
    summary.failed.iter().take(5).for_each(explain);
    let seconds = started.elapsed().as_secs_f64();
    match arguments.report {
        Report::Json => say(&histories_json(&summary, seconds)),
        Report::Text => histories_text(&summary, seconds),
    }
    if summary.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a failed seed once more, watched, and tells its end.
fn explain(failed: &Run) {
    let seed = failed.seed;
    let told = run(MessageFlow, seed, Options { watch: Watch::Tail, ..Options::default() });
    let Some(violation) = told.violation else {
        say(&format!("seed {seed} failed, and did not fail again: the run is not deterministic"));
        return;
    };
    say(&format!("\nseed {seed}: {} is broken: {}", violation.invariant, violation.detail));
    let skipped = told.last_events.len().saturating_sub(25);
    for line in &told.last_events[skipped..] {
        say(&format!("  {}", line.chars().take(220).collect::<String>()));
    }
    say(&format!("replay: cargo run --release -p thalweg-sim -- --seed {seed}"));
}

/// One line of JSON, in an order to be read by people too.
fn histories_json(summary: &Summary, seconds: f64) -> String {
    let round = |share: f64| (share * 1_000.0).round() / 1_000.0;
    let mut entries = vec![
        ("seeds", json!(summary.seeds)),
        ("failed", json!(summary.failed.len())),
        ("seconds", json!((seconds * 10.0).round() / 10.0)),
    ];
    entries.extend(Count::ALL.iter().map(|count| (count.name(), json!(summary.tally.of(*count)))));
    let shares = Count::FAULTS.iter().map(|count| (*count, round(summary.share_with(*count))));
    let shares: Map<String, Value> =
        shares.map(|(count, share)| (count.name().to_owned(), json!(share))).collect();
    entries.push(("share_with", Value::Object(shares)));
    if !summary.failed.is_empty() {
        let seeds: Vec<u64> = summary.failed.iter().take(20).map(|run| run.seed).collect();
        entries.extend([("failed_seeds", json!(seeds)), ("broken", broken(summary))]);
    }
    let entries: Vec<String> = entries.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", entries.join(","))
}

/// How often each invariant was broken.
fn broken(summary: &Summary) -> Value {
    let mut by_name = Map::new();
    for violation in summary.failed.iter().filter_map(|run| run.violation.as_ref()) {
        let times = by_name.get(violation.invariant).and_then(Value::as_u64).unwrap_or(0);
        by_name.insert(violation.invariant.to_owned(), json!(times + 1));
    }
    Value::Object(by_name)
}

fn histories_text(summary: &Summary, seconds: f64) {
    for count in Count::ALL {
        let (total, share) = (summary.tally.of(count), summary.share_with(count) * 100.0);
        say(&format!("{:20} {total:>10}  in {share:.0} % of the seeds", count.name()));
    }
    let (seeds, failed) = (summary.seeds, summary.failed.len());
    say(&format!("{seeds} seeds in {seconds:.1} s, {failed} failed"));
}

fn break_it(arguments: &Arguments, sabotages: &[Sabotage]) -> ExitCode {
    let most = arguments.seeds.unwrap_or(400);
    let caught = catch_all(&MessageFlow, sabotages, arguments.first_seed, most, |caught| {
        let what = match caught.by {
            Some((after, invariant)) => format!("caught by {invariant} after {after} seeds"),
            None => format!("ESCAPED {most} seeds"),
        };
        let _ = writeln!(std::io::stderr(), "{:36} {what}", caught.sabotage.name());
    });
    let sound_fails = caught.iter().find_map(|caught| caught.sound_fails);
    if let Some(seed) = sound_fails {
        say(&format!("the unbroken engine fails too: cargo run --release -p thalweg-sim -- --seed {seed}"));
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
