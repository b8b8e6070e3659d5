//! All metrics in Prometheus's text format.
//!
//! Source: "Exposition formats" in Prometheus's documentation, text format version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use thalweg_core::measured::{Latencies, Sizes};
use thalweg_core::outcome::Outcome;
use thalweg_core::time::Now;

use super::histogram::{Buckets, LATENCY_BOUNDS_MS, SIZE_BOUNDS};
use super::{METRICS, Metric, STAGES, Values};
use crate::commands::{CLASSES, Counted};
use crate::snapshot::{Snapshot, breaker_state};
use crate::views::ViewCounted;

/// Names and values.
type Labels<'l> = [(&'l str, &'l str)];

/// What there is to tell of a flow.
pub(crate) struct Told {
    pub(crate) flow: &'static str,
    pub(crate) memory_bytes: u64,
    pub(crate) snapshots: Vec<Snapshot>,
    /// Dead letters acknowledged, by reason.
    pub(crate) letters: BTreeMap<String, u64>,
    pub(crate) commands: Option<Counted>,
    pub(crate) shown: Vec<ViewCounted>,
}

/// All metrics of all flows.
pub(crate) fn text(told: &[Told], now: Now) -> String {
    let measured: Vec<_> = told.iter().map(Measured::of).collect();
    let mut text = String::new();
    for metric in METRICS {
        begin(&mut text, metric);
        for (told, measured) in told.iter().zip(&measured) {
            let mut family = Family { text: &mut text, name: metric.name, flow: told.flow };
            of_flow(&metric.values, told, measured, now, &mut family);
        }
    }
    text
}

/// All workers of a flow together.
#[derive(Default)]
struct Measured {
    latencies: Latencies,
    sizes: Sizes,
}

impl Measured {
    fn of(told: &Told) -> Self {
        let mut measured = Self::default();
        for snapshot in &told.snapshots {
            measured.latencies += &snapshot.latencies;
            measured.sizes += &snapshot.sizes;
        }
        measured
    }
}

/// The values that one flow has.
fn of_flow(values: &Values, told: &Told, measured: &Measured, now: Now, family: &mut Family<'_>) {
    match values {
        Values::MemoryBudget => family.sample("", &[], told.memory_bytes as f64),
        Values::Letters => {
            for (reason, count) in &told.letters {
                family.sample("", &[("reason", reason)], *count as f64);
            }
        }
        Values::Commands(of) => {
            if let Some(counted) = &told.commands {
                family.sample("", &[], of(counted) as f64);
            }
        }
        Values::CommandAnswers => {
            let answers = told.commands.iter().flat_map(|counted| counted.answers);
            for (class, count) in CLASSES.iter().zip(answers) {
                family.sample("", &[("class", class)], count as f64);
            }
        }
        Values::Views(of) => {
            for view in &told.shown {
                family.sample("", &[("topic", &view.topic)], of(view));
            }
        }
        Values::Latencies => {
            for stage in &STAGES {
                let buckets = Buckets::of((stage.of)(&measured.latencies), &LATENCY_BOUNDS_MS);
                family.histogram(&[("stage", stage.name)], &buckets, &LATENCY_BOUNDS_MS, 1e3);
            }
        }
        Values::Sizes(of) => {
            family.histogram(&[], &Buckets::of(of(&measured.sizes), &SIZE_BOUNDS), &SIZE_BOUNDS, 1.0);
        }
        of_worker => {
            for (number, snapshot) in told.snapshots.iter().enumerate() {
                let number = number.to_string();
                worker(of_worker, snapshot, now, &mut |labels, value| {
                    let labels: Vec<_> =
                        std::iter::once(("worker", number.as_str())).chain(labels.iter().copied()).collect();
                    family.sample("", &labels, value);
                });
            }
        }
    }
}

/// The values that one worker has.
fn worker(values: &Values, snapshot: &Snapshot, now: Now, sample: &mut dyn FnMut(&Labels<'_>, f64)) {
    match values {
        Values::Worker(of) => {
            if let Some(value) = of(snapshot, now) {
                sample(&[], value);
            }
        }
        Values::Outcomes => {
            for outcome in Outcome::ALL {
                sample(&[("outcome", outcome.name())], snapshot.accounts.of(outcome) as f64);
            }
        }
        Values::Sinks(of) => {
            for (name, status) in &snapshot.sinks {
                sample(&[("sink", name)], of(status, now));
            }
        }
        Values::Breakers => {
            for (name, status) in &snapshot.sinks {
                for state in ["closed", "open", "probing"] {
                    let is = f64::from(u8::from(breaker_state(status) == state));
                    sample(&[("sink", name), ("state", state)], is);
                }
            }
        }
        Values::Partitions(of) => {
            for partition in &snapshot.partitions {
                if let Some(value) = of(partition) {
                    let number = partition.number.to_string();
                    sample(&[("topic", &*partition.topic), ("partition", &number)], value);
                }
            }
        }
        Values::MemoryBudget
        | Values::Letters
        | Values::Commands(_)
        | Values::CommandAnswers
        | Values::Views(_)
        | Values::Latencies
        | Values::Sizes(_) => {}
    }
}

/// Begins a metric's lines. Writing to a String can't fail.
fn begin(text: &mut String, Metric { name, kind, help, .. }: &Metric) {
    let help = help.replace('\\', "\\\\").replace('\n', "\\n");
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {}", kind.name());
}

/// One flow's lines of a metric.
struct Family<'t> {
    text: &'t mut String,
    name: &'static str,
    flow: &'t str,
}

impl Family<'_> {
    fn sample(&mut self, suffix: &str, labels: &Labels<'_>, value: f64) {
        let _ = write!(self.text, "{}{suffix}{{flow=\"{}\"", self.name, escaped(self.flow));
        for (name, value) in labels {
            let _ = write!(self.text, ",{name}=\"{}\"", escaped(value));
        }
        let _ = writeln!(self.text, "}} {value}");
    }

    /// `scale`: how many of the values' units are one of the metric's.
    fn histogram(&mut self, labels: &Labels<'_>, buckets: &Buckets, bounds: &[u64], scale: f64) {
        let bounds = bounds.iter().map(|bound| (*bound as f64 / scale).to_string());
        let counts = buckets.cumulative.iter().chain(std::iter::once(&buckets.count));
        for (bound, count) in bounds.chain(std::iter::once("+Inf".to_owned())).zip(counts) {
            let labels: Vec<_> =
                labels.iter().copied().chain(std::iter::once(("le", bound.as_str()))).collect();
            self.sample("_bucket", &labels, *count as f64);
        }
        self.sample("_sum", labels, buckets.sum / scale);
        self.sample("_count", labels, buckets.count as f64);
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests;
