//! What is asked of a run, and what it says.

use anyhow::Result;
use serde::Serialize;

use super::course::{self, Found};
use super::flow::TimerFlow;
use super::plan::{Plan, now_ms};
use crate::programs;
use crate::report::{Machine, Reporting, Target};

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Kafka's address.
    #[arg(long, env = "KAFKA_BROKERS", default_value = "127.0.0.1:9092")]
    brokers: String,
    /// Timers that are pending when the flow is stopped.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(2..=100_000_000))]
    pending: u64,
    /// Timers that are set and cancelled besides [default: a quarter of the pending ones].
    #[arg(long)]
    cancelled: Option<u64>,
    /// How long the flow is down; half of the timers become due meanwhile.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    down_seconds: u32,
    /// Timers of the other half that are due in a second.
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..))]
    rate: u64,
    /// How long setting and cancelling may take, from the run's start [default: 30, and a second for 15,000 timers].
    #[arg(long)]
    prepare_seconds: Option<u64>,
    /// From the restart until the other half begins to be due [default: 15, and a second for 30,000 timers].
    #[arg(long)]
    settle_seconds: Option<u64>,
    /// Whether each timer has a row of a table beside it.
    #[arg(long)]
    rows: bool,
    /// Keeps a snapshot of each partition's state in so many seconds [default: none are kept].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    snapshot_seconds: Option<u64>,
    /// Partitions of the topics.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(i32).range(1..=1_000))]
    partitions: i32,
    #[command(flatten)]
    reporting: Reporting,
}

/// What a pending timer may take with its state, in bytes.
const TIMER_BYTES: f64 = 100.0;

/// How late a timer may run, in ms, at the 99th percentile.
const LATE_MS: f64 = 10.0;

#[derive(Debug, Serialize)]
struct Report {
    bench: &'static str,
    machine: Machine,
    targets: Vec<Target>,
    pending: u64,
    cancelled: u64,
    down_seconds: u32,
    rate: u64,
    rows: bool,
    snapshot_seconds: Option<u64>,
    partitions: i32,
    #[serde(flatten)]
    found: Found,
}

impl Settings {
    fn plan(&self) -> Plan {
        let seconds = |given: Option<u64>, least: u64, per_second: u64| {
            given.unwrap_or(least + self.pending / per_second).saturating_mul(1_000).cast_signed()
        };
        let stop_ms = now_ms() + seconds(self.prepare_seconds, 30, 15_000);
        let restart_ms = stop_ms + i64::from(self.down_seconds) * 1_000;
        Plan {
            pending: self.pending,
            cancelled: self.cancelled.unwrap_or(self.pending / 4),
            stop_ms,
            restart_ms,
            steady_ms: restart_ms + seconds(self.settle_seconds, 15, 30_000),
            rate: self.rate,
        }
    }
}

/// Runs it and reports.
pub(crate) fn run(settings: &Settings) -> Result<()> {
    let machine = Machine::this();
    programs::build()?;
    let plan = settings.plan();
    let Settings { brokers, partitions, rows, .. } = settings;
    let snapshot_ms = settings.snapshot_seconds.map(|seconds| seconds * 1_000);
    let flow = TimerFlow::new(brokers, *partitions, plan.all(), *rows, snapshot_ms)?;
    let found = course::go(&flow, brokers, *partitions, plan)?;
    let bytes = found.resident_bytes_per_timer;
    let report = Report {
        bench: "timers",
        machine,
        targets: vec![
            Target::at_most("bytes of memory per pending timer", TIMER_BYTES, bytes),
            Target::at_most("ms from deadline to run, p99", LATE_MS, found.lateness.p99_ms),
        ],
        pending: plan.pending,
        cancelled: plan.cancelled,
        down_seconds: settings.down_seconds,
        rate: settings.rate,
        rows: *rows,
        snapshot_seconds: settings.snapshot_seconds,
        partitions: *partitions,
        found,
    };
    settings.reporting.give(report.bench, &table(&report), &report.targets, &report)
}

fn table(report: &Report) -> String {
    let found = &report.found;
    let state = if report.rows { "a row beside each" } else { "each carries its state" };
    let kept = report
        .snapshot_seconds
        .map_or_else(|| "without snapshots".to_owned(), |seconds| format!("a snapshot each {seconds} s"));
    format!(
        "{} pending ({state}; {kept}): all fired once, in order\n\
         bytes per pending timer          {:.1} resident, {:.1} by the engine's count\n\
         set, cancelled per second        {:.0}, {:.0}\n\
         fired per second                 {:.0} overdue, {:.0} as due\n\
         restart                          restored after {:.0} ms, {} partitions from a snapshot; first overdue one ran after {:.0} ms\n\
         deadline to run                  {}\n\
         deadline to committed reader     {}\n\
         hiccups of the machine           {}\n",
        report.pending,
        found.resident_bytes_per_timer,
        found.counted_bytes_per_timer,
        found.set_per_second,
        found.cancelled_per_second,
        found.overdue_fired_per_second,
        found.steady_fired_per_second,
        found.restore_ms,
        found.restored_from_snapshot,
        found.restart_to_first_run_ms,
        found.lateness,
        found.visible,
        found.hiccups,
    )
}
