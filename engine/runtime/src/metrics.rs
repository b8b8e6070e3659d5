//! Every metric, in one list, written as Prometheus reads them.

use std::fmt::Write as _;

use thalweg_core::SinkStatus;
use thalweg_core::outcome::Outcome;
use thalweg_core::time::Now;

use crate::admin::View;
use crate::snapshot::{PartitionSnapshot, Snapshot};

/// A metric: its name (with its unit), its kind, what its labels are beside flow and worker, what it says.
#[derive(Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// `counter` or `gauge`.
    pub kind: &'static str,
    /// Its labels beside `flow` and `worker`.
    pub labels: &'static str,
    /// What it says.
    pub help: &'static str,
    values: Values,
}

/// Where its values are in a worker's snapshot.
#[derive(Debug)]
enum Values {
    Worker(fn(&Snapshot, Now) -> Option<f64>),
    Outcomes,
    Sinks(fn(&SinkStatus) -> f64),
    Partitions(fn(&PartitionSnapshot) -> Option<f64>),
    MemoryBudget,
    Letters,
}

const fn metric(name: &'static str, kind: &'static str, help: &'static str, values: Values) -> Metric {
    let labels = match values {
        Values::Worker(_) | Values::MemoryBudget => "",
        Values::Outcomes => "outcome",
        Values::Letters => "reason",
        Values::Sinks(_) => "sink",
        Values::Partitions(_) => "topic, partition",
    };
    Metric { name, kind, labels, help, values }
}

use Values::{Letters, MemoryBudget, Outcomes, Partitions, Sinks, Worker};

/// The list.
pub const METRICS: [Metric; 30] = [
    metric(
        "thalweg_records_read_total",
        "counter",
        "Records read, without those read again after a restart.",
        Worker(|worker, _| Some(worker.accounts.read as f64)),
    ),
    metric("thalweg_records_total", "counter", "Records that have their outcome.", Outcomes),
    metric("thalweg_dead_letters_total", "counter", "Dead letters acknowledged, by reason.", Letters),
    metric(
        "thalweg_records_given_up_total",
        "counter",
        "Records left to the next owner of their partition.",
        Worker(|worker, _| Some(worker.accounts.given_up as f64)),
    ),
    metric(
        "thalweg_records_open",
        "gauge",
        "Records whose outcome is open.",
        Worker(|worker, _| Some(worker.accounts.open() as f64)),
    ),
    metric(
        "thalweg_records_rewound_total",
        "counter",
        "Records read again only to rebuild the dedupe window.",
        Worker(|worker, _| Some(worker.accounts.rewound as f64)),
    ),
    metric(
        "thalweg_records_finished_before_total",
        "counter",
        "Records passed over because they were finished before a restart.",
        Worker(|worker, _| Some(worker.accounts.finished_before as f64)),
    ),
    metric(
        "thalweg_records_without_event_id_total",
        "counter",
        "Records that dedupe can't judge.",
        Worker(|worker, _| Some(worker.accounts.without_event_id as f64)),
    ),
    metric(
        "thalweg_memory_reserved_bytes",
        "gauge",
        "Bytes reserved by open records.",
        Worker(|worker, _| Some(worker.reserved_bytes as f64)),
    ),
    metric(
        "thalweg_memory_budget_bytes",
        "gauge",
        "Bytes that open records may reserve, all workers together.",
        MemoryBudget,
    ),
    metric(
        "thalweg_keys_held",
        "gauge",
        "Keys held before the first operator, waiting for a dead letter.",
        Worker(|worker, _| Some(worker.held_keys as f64)),
    ),
    metric(
        "thalweg_lag_records",
        "gauge",
        "Records between what is finished and the end of the log.",
        Partitions(|partition| partition.lag().map(|lag| lag as f64)),
    ),
    metric(
        "thalweg_committed_offset",
        "gauge",
        "The commit position that the broker confirmed.",
        Partitions(|partition| Some(partition.committed as f64)),
    ),
    metric(
        "thalweg_finished_offset",
        "gauge",
        "Everything below is finished.",
        Partitions(|partition| Some(partition.finished as f64)),
    ),
    metric(
        "thalweg_partition_records_open",
        "gauge",
        "Records of the partition whose outcome is open.",
        Partitions(|partition| Some(partition.open as f64)),
    ),
    metric("thalweg_effects", "gauge", "Effects waiting or in the air.", Sinks(|sink| sink.effects as f64)),
    metric(
        "thalweg_keys_parked",
        "gauge",
        "Keys waiting for a retry or a dead letter.",
        Sinks(|sink| sink.parked_keys as f64),
    ),
    metric("thalweg_flights", "gauge", "Requests in the air.", Sinks(|sink| sink.flights as f64)),
    metric(
        "thalweg_breaker_open",
        "gauge",
        "1 while the circuit breaker is open or probing.",
        Sinks(|sink| f64::from(u8::from(!sink.breaker_closed))),
    ),
    metric(
        "thalweg_breaker_opened_total",
        "counter",
        "How often the circuit breaker opened.",
        Sinks(|sink| sink.breaker_opened as f64),
    ),
    metric("thalweg_requests_total", "counter", "Requests sent.", Sinks(|sink| sink.requests as f64)),
    metric(
        "thalweg_retries_total",
        "counter",
        "Effects put off for a retry.",
        Sinks(|sink| sink.retries as f64),
    ),
    metric(
        "thalweg_overloaded_total",
        "counter",
        "Effects refused for load.",
        Sinks(|sink| sink.overloaded as f64),
    ),
    metric(
        "thalweg_partitions_assigned",
        "gauge",
        "Partitions that the group has given to the worker.",
        Worker(|worker, _| Some(worker.partitions.len() as f64)),
    ),
    metric(
        "thalweg_first_effect_seconds",
        "gauge",
        "From the start of the process to its first durable effect.",
        Worker(|worker, _| Some(worker.first_effect_ms? as f64 / 1e3)),
    ),
    metric(
        "thalweg_rebalances_total",
        "counter",
        "Assignments, revocations and losses of partitions.",
        Worker(|worker, _| Some(worker.rebalances as f64)),
    ),
    metric(
        "thalweg_commits_total",
        "counter",
        "Commits that have ended, failed ones included.",
        Worker(|worker, _| Some(worker.commits as f64)),
    ),
    metric(
        "thalweg_commits_failed_total",
        "counter",
        "Commits that failed or were refused.",
        Worker(|worker, _| Some(worker.commits_failed as f64)),
    ),
    metric(
        "thalweg_commit_age_seconds",
        "gauge",
        "Time since the broker confirmed a commit.",
        Worker(|worker, now| Some(now.uptime_ms.saturating_sub(worker.committed_ms?) as f64 / 1e3)),
    ),
    metric(
        "thalweg_rebuild_seconds",
        "gauge",
        "From the last assignment of a partition to its first new record: fetching positions, reading back the \
         dedupe window.",
        Worker(|worker, _| Some(worker.rebuild_ms? as f64 / 1e3)),
    ),
];

/// All metrics, in Prometheus's text format.
pub(crate) fn text(view: &View, now: Now) -> String {
    let snapshots = view.snapshots();
    let mut text = String::new();
    for metric in &METRICS {
        // Writing to a String can't fail.
        let _ =
            writeln!(text, "# HELP {} {}\n# TYPE {} {}", metric.name, metric.help, metric.name, metric.kind);
        if let MemoryBudget = metric.values {
            let _ = writeln!(text, "{}{{flow=\"{}\"}} {}", metric.name, view.flow, view.memory_bytes);
            continue;
        }
        if let Letters = metric.values {
            for (reason, count) in &*view.letters.lock() {
                let _ =
                    writeln!(text, "{}{{flow=\"{}\",reason=\"{reason}\"}} {count}", metric.name, view.flow);
            }
            continue;
        }
        for (number, snapshot) in snapshots.iter().enumerate() {
            let mut line = |labels: &str, value: f64| {
                let name = metric.name;
                let _ =
                    writeln!(text, "{name}{{flow=\"{}\",worker=\"{number}\"{labels}}} {value}", view.flow);
            };
            values(&metric.values, snapshot, now, &mut line);
        }
    }
    text
}

fn values(values: &Values, snapshot: &Snapshot, now: Now, line: &mut dyn FnMut(&str, f64)) {
    match values {
        Worker(of) => {
            if let Some(value) = of(snapshot, now) {
                line("", value);
            }
        }
        Outcomes => {
            for outcome in Outcome::ALL {
                let labels = format!(",outcome=\"{}\"", outcome.name());
                line(&labels, snapshot.accounts.of(outcome) as f64);
            }
        }
        Sinks(of) => {
            for (name, status) in &snapshot.sinks {
                line(&format!(",sink=\"{name}\""), of(status));
            }
        }
        Partitions(of) => {
            for partition in &snapshot.partitions {
                if let Some(value) = of(partition) {
                    let (topic, number) = (&partition.topic, partition.number);
                    line(&format!(",topic=\"{topic}\",partition=\"{number}\""), value);
                }
            }
        }
        MemoryBudget | Letters => {}
    }
}
