//! All runs, one after the other, as one report.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use serde_json::Value;

use crate::report::Machine;

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Only these.
    #[arg(long, value_delimiter = ',', default_values = NAMES)]
    only: Vec<String>,
    /// Short runs, to see that everything works: the figures say little.
    #[arg(long)]
    quick: bool,
    /// Keep every report under `benches/runs/`.
    #[arg(long)]
    record: bool,
    /// How to report: a line of JSON at the end, or only the tables of each.
    #[arg(long, value_enum, default_value_t = crate::report::ReportFormat::Text)]
    report: crate::report::ReportFormat,
}

/// In this order: what is short first.
const NAMES: [&str; 9] =
    ["reading", "counting", "waiting", "whole-flow", "indexing", "scaling", "restart", "latency", "memory"];

/// What makes a run short.
fn quick(name: &str) -> &'static [&'static str] {
    match name {
        "latency" => &["--minutes", "0.25", "--probe-seconds", "10"],
        "memory" => &["--minutes", "0.5"],
        "indexing" => &["--rounds", "1", "--records", "50000"],
        "restart" => &["--rounds", "1"],
        _ => &["--rounds", "1", "--records", "200000"],
    }
}

#[derive(Debug, Serialize)]
struct Report {
    bench: &'static str,
    machine: Machine,
    reports: BTreeMap<String, Value>,
    /// Runs that ended with an error: they have no report.
    failed: Vec<String>,
}

/// Runs them; fails when one did, after all have run.
pub(crate) fn run(settings: &Settings) -> Result<()> {
    let mut report =
        Report { bench: "all", machine: Machine::this(), reports: BTreeMap::new(), failed: Vec::new() };
    for name in &settings.only {
        eprintln!("--- {name}");
        match one(settings, name) {
            Ok(found) => {
                report.reports.insert(name.clone(), found);
            }
            Err(error) => {
                eprintln!("error: {error:#}");
                report.failed.push(name.clone());
            }
        }
    }
    if settings.report == crate::report::ReportFormat::Json {
        writeln!(std::io::stdout(), "{}", serde_json::to_string(&report)?)?;
    }
    if !report.failed.is_empty() {
        bail!("without figures: {}", report.failed.join(", "));
    }
    Ok(())
}

/// One run in a process of its own; its report.
fn one(settings: &Settings, name: &str) -> Result<Value> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([name, "--report", "json"]);
    if settings.quick {
        command.args(quick(name));
    }
    if settings.record {
        command.arg("--record");
    }
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("{name}: {}", output.status);
    }
    let out = String::from_utf8_lossy(&output.stdout);
    let last = out.lines().next_back().unwrap_or_default();
    serde_json::from_str(last).with_context(|| format!("{name}: its last line is no report: {last:?}"))
}
