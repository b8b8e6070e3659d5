//! What a run says: median and spread of what was measured, where it was measured, which targets it met.

use std::io::Write as _;

use anyhow::Result;
use serde::Serialize;

use crate::recorded;

/// How a run prints its results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ReportFormat {
    /// A table.
    Text,
    /// The table on standard error, and one line of JSON as the last line of standard output.
    Json,
}

/// Where the results go.
#[derive(Debug, clap::Args)]
pub(crate) struct Reporting {
    /// How to report.
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    report: ReportFormat,
    /// Keep the report, raw data included, under `benches/runs/`.
    #[arg(long)]
    record: bool,
}

impl Reporting {
    /// Prints the report of a run called `bench`, and keeps it if that was asked for.
    pub(crate) fn give<R: Serialize>(
        &self,
        bench: &str,
        table: &str,
        targets: &[Target],
        report: &R,
    ) -> Result<()> {
        let mut text = table.to_owned();
        targets.iter().for_each(|target| text.push_str(&format!("{target}\n")));
        let line = serde_json::to_string(report)?;
        if self.record {
            recorded::write(bench, &text, &line)?;
        }
        match self.report {
            ReportFormat::Text => write!(std::io::stdout(), "{text}")?,
            ReportFormat::Json => {
                eprint!("{text}");
                writeln!(std::io::stdout(), "{line}")?;
            }
        }
        Ok(())
    }
}

/// What a run was to show, and whether it did.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Target {
    what: &'static str,
    /// The limit, and on which side of it to be.
    wanted: String,
    found: f64,
    met: bool,
}

impl Target {
    /// `found` must not be above the limit.
    pub(crate) fn at_most(what: &'static str, limit: f64, found: f64) -> Self {
        Self { what, wanted: format!("at most {limit}"), found, met: found <= limit }
    }

    /// `found` must not be below the limit.
    pub(crate) fn at_least(what: &'static str, limit: f64, found: f64) -> Self {
        Self { what, wanted: format!("at least {limit}"), found, met: found >= limit }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verdict = if self.met { "met" } else { "NOT MET" };
        write!(f, "target: {}: {}; found {:.3}: {verdict}", self.what, self.wanted, self.found)
    }
}

/// The middle of some figures, and how far they lie apart.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of at least one figure; all zero of none.
    pub(crate) fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let middle = figures.len() / 2;
        let at = |index: usize| figures.get(index).copied().unwrap_or_default();
        let median = if figures.len().is_multiple_of(2) {
            f64::midpoint(at(middle.saturating_sub(1)), at(middle))
        } else {
            at(middle)
        };
        Self { median, min: at(0), max: at(figures.len().saturating_sub(1)) }
    }

    /// As text without digits behind the point.
    pub(crate) fn rounded(&self) -> String {
        format!("{:.0} ({:.0} to {:.0})", self.median, self.min, self.max)
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3} ({:.3} to {:.3})", self.median, self.min, self.max)
    }
}

/// The machine that measured, and how busy it was as the run began.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    processor: String,
    kernel: String,
    /// Over the last minute: processes that ran or wanted to. Near 0 on a quiet machine.
    load_average: f64,
}

impl Machine {
    /// This one, as the kernel describes it.
    pub(crate) fn this() -> Self {
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let processors = text("/proc/cpuinfo");
        let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
        let load = text("/proc/loadavg");
        Self {
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            processor: model.unwrap_or("unknown").to_owned(),
            kernel: text("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_average: load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(-1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_in_the_middle() {
        let of = |figures: &[f64]| Spread::of(figures.to_vec());
        assert_eq!(of(&[3.0, 1.0, 2.0]).median, 2.0);
        let even = of(&[4.0, 1.0, 2.0, 9.0]);
        assert_eq!((even.median, even.min, even.max), (3.0, 1.0, 9.0));
    }

    #[test]
    fn a_target_is_met_on_its_side_of_the_limit() {
        assert!(Target::at_most("cost", 1.8, 1.8).met && !Target::at_most("cost", 1.8, 1.9).met);
        assert!(Target::at_least("rate", 2.0, 2.0).met && !Target::at_least("rate", 2.0, 1.9).met);
    }
}
