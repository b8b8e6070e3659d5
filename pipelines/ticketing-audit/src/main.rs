//! Reads what the ticketing services have written, what the provider has done and what users were answered, and says which
//! rules were broken. See `ticketing-audit --help`.
#![forbid(unsafe_code)]

mod lists;
mod topics;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use serde::Serialize;
use ticketing_audit::{History, Report, audit};
use topics::Topics;

/// Judges the ticketing services by their topics, as readers of committed records see them, by the provider's ledger, and by
/// what users were answered. Nobody may want anything any more: it waits for what is still under way. The last line of
/// standard output is a report in JSON; the exit code says whether every rule holds.
#[derive(Debug, Parser)]
#[command(name = "ticketing-audit", version)]
struct Settings {
    /// Kafka brokers, host:port[,host:port…]
    #[arg(long, env = "KAFKA_BROKERS", default_value = "127.0.0.1:9092", value_name = "LIST")]
    brokers: String,
    /// The topics of events.
    #[arg(
        long,
        value_delimiter = ',',
        default_values = ["tickets", "orders", "payments", "expiration"],
        value_name = "LIST"
    )]
    topics: Vec<String>,
    /// The provider's ledger: a file with an entry a line.
    #[arg(long, value_name = "FILE")]
    ledger: PathBuf,
    /// What users wanted and were answered: a file with a command a line.
    #[arg(long, value_name = "FILE")]
    answers: PathBuf,
    /// As long as a rule is broken, how long it is waited for what may mend it.
    #[arg(long, default_value_t = 120)]
    patience_seconds: u64,
    /// Nothing is under way any more when nothing has come for so long.
    #[arg(long, default_value_t = 5)]
    quiet_seconds: u64,
}

/// The last line of standard output.
#[derive(Debug, Serialize)]
struct Found {
    ok: bool,
    /// Events that were read.
    events: usize,
    #[serde(flatten)]
    report: Report,
}

fn main() -> ExitCode {
    match run(&Settings::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ticketing-audit: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// True when every rule holds.
fn run(settings: &Settings) -> Result<bool> {
    let mut history = History { commands: lists::answers(&settings.answers)?, ..History::default() };
    let mut topics = Topics::open(&settings.brokers, &settings.topics)?;
    let (begun, patience) = (Instant::now(), Duration::from_secs(settings.patience_seconds));
    let report = loop {
        topics.read_until_quiet(&mut history.records, Duration::from_secs(settings.quiet_seconds))?;
        history.ledger = lists::ledger(&settings.ledger)?;
        let report = audit(&history);
        if report.is_clean() || begun.elapsed() > patience {
            break report;
        }
    };
    for problem in &report.problems {
        eprintln!("{:?}: {}", problem.rule, problem.what);
    }
    let found = Found { ok: report.is_clean(), events: history.records.len(), report };
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&found)?)?;
    Ok(found.ok)
}
