//! Every metric, in one list, and how Prometheus reads it.
//!
//! `engine/METRICS.md` is made from the list; a test fails when it is not what the list says.

#[cfg(test)]
mod documentation;
mod histogram;
mod list;
mod text;

use hdrhistogram::Histogram;
use thalweg_core::SinkStatus;
use thalweg_core::measured::{Latencies, Sizes};
use thalweg_core::time::Now;

use crate::commands::Counted;
use crate::snapshot::{PartitionSnapshot, Snapshot};
use crate::views::ViewCounted;
pub use list::METRICS;
pub(crate) use text::{Told, text};

/// What the text is, as Prometheus is told.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a metric is: counters and histograms only ever grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Counts from the start of the process.
    Counter,
    /// Is what it is now.
    Gauge,
    /// Counts by size, from the start of the process.
    Histogram,
}

impl Kind {
    /// As Prometheus calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name, its unit last.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it says.
    pub help: &'static str,
    values: Values,
}

impl Metric {
    const fn new(name: &'static str, kind: Kind, help: &'static str, values: Values) -> Self {
        Self { name, kind, help, values }
    }

    /// Its labels.
    #[must_use]
    pub fn labels(&self) -> &'static [&'static str] {
        match self.values {
            Values::Worker(_) => &["flow", "worker"],
            Values::Outcomes => &["flow", "worker", "outcome"],
            Values::Sinks(_) => &["flow", "worker", "sink"],
            Values::Breakers => &["flow", "worker", "sink", "state"],
            Values::Partitions(_) => &["flow", "worker", "topic", "partition"],
            Values::MemoryBudget | Values::Sizes(_) => &["flow"],
            Values::Letters => &["flow", "reason"],
            Values::Commands(_) => &["flow"],
            Values::Views(_) => &["flow", "topic"],
            Values::CommandAnswers => &["flow", "class"],
            Values::Latencies => &["flow", "stage"],
        }
    }

    /// Its unit; counts have none.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        let stem = self.name.strip_suffix("_total").unwrap_or(self.name);
        ["seconds", "bytes"].into_iter().find(|unit| stem.ends_with(unit)).unwrap_or_default()
    }
}

/// Where its values are in the workers' snapshots.
#[derive(Debug)]
enum Values {
    Worker(fn(&Snapshot, Now) -> Option<f64>),
    Outcomes,
    Sinks(fn(&SinkStatus, Now) -> f64),
    Breakers,
    Partitions(fn(&PartitionSnapshot) -> Option<f64>),
    MemoryBudget,
    Letters,
    /// Of the requests that a flow takes; those without commands have none.
    Commands(fn(&Counted) -> u64),
    /// By class of their status.
    CommandAnswers,
    /// Of what requests are answered from.
    Views(fn(&ViewCounted) -> f64),
    /// All stages, of all workers together.
    Latencies,
    /// Of all workers together.
    Sizes(fn(&Sizes) -> &Histogram<u64>),
}

/// A part of a record's way that `thalweg_latency_seconds` measures; see [`Latencies`].
pub struct Stage {
    /// The value of the label `stage`.
    pub name: &'static str,
    /// What is measured.
    pub help: &'static str,
    of: fn(&Latencies) -> &Histogram<u64>,
}

/// Every stage, in the order of a record's way.
pub const STAGES: [Stage; 5] = [
    Stage {
        name: "end_to_end",
        help: "Of delivered records: from the log's timestamp until all their effects were known to be durable. In an \
               exactly-once flow measured of the oldest record of each batch, whatever became of it, counted for all of \
               the batch.",
        of: |latencies| &latencies.end_to_end_ms,
    },
    Stage {
        name: "read",
        help: "From the log's timestamp until the record was read. Measured of the oldest new record of each batch, \
               counted for all of the batch.",
        of: |latencies| &latencies.read_ms,
    },
    Stage {
        name: "lane_wait",
        help: "Of each flight to a sink: how long its longest waiting effect was in its lane. Parked effects are left \
               out.",
        of: |latencies| &latencies.lane_wait_ms,
    },
    Stage {
        name: "flight",
        help: "Of each flight to a sink: from its departure until its last reply, whatever the reply was. In an \
               exactly-once flow of each transaction: from its end of work until it was known to be committed.",
        of: |latencies| &latencies.flight_ms,
    },
    Stage {
        name: "dead_letter",
        help: "Of dead-lettered records: from the log's timestamp until their dead letter was acknowledged.",
        of: |latencies| &latencies.dead_letter_ms,
    },
];
