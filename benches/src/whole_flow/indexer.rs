//! One run of `message-indexer`, from its start to no lag.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use thalweg_benches::cpu;

use crate::programs::indexer::Job;
use crate::programs::instance::Instance;
use crate::programs::metrics::Metrics;

/// No run takes this long; one that hangs must end.
const RUN_MAX: Duration = Duration::from_secs(300);

/// What a run cost.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Cost {
    /// Of all its threads, from its start to the last outcome.
    pub(crate) cpu_seconds: f64,
    /// By thread name, those that used any.
    pub(crate) cpu_seconds_by_thread: Vec<(String, f64)>,
    pub(crate) wall_seconds: f64,
    /// Requests to the stand-in.
    pub(crate) requests: u64,
    pub(crate) delivered: u64,
    pub(crate) duplicates: u64,
    /// The most memory it ever held, in MB.
    pub(crate) memory_peak_mb: u64,
}

/// Runs it until every record has its outcome, then stops it.
pub(crate) fn run(job: &Job<'_>, records: u64) -> Result<Cost> {
    let mut indexer = job.start()?;
    let metrics = indexer.until(RUN_MAX, &format!("done with {records} records"), |metrics| {
        let sum = |name| metrics.sum(name, "");
        let all = (sum("thalweg_records_read_total"), sum("thalweg_records_open"));
        (all == (Some(records), Some(0))).then(|| metrics.clone())
    })?;
    let cost = cost(&indexer, &metrics, records)?;
    indexer.stop()?;
    Ok(cost)
}

fn cost(indexer: &Instance, metrics: &Metrics, records: u64) -> Result<Cost> {
    let of = |name: &str, label: &str| {
        metrics.sum(name, label).with_context(|| format!("there is no metric {name} with {label}"))
    };
    let (delivered, duplicates) = (
        of("thalweg_records_total", "outcome=\"delivered\"")?,
        of("thalweg_records_total", "outcome=\"duplicate\"")?,
    );
    if delivered + duplicates != records {
        bail!("of {records} records {delivered} were delivered and {duplicates} were duplicates");
    }
    Ok(Cost {
        cpu_seconds: cpu::of_process(indexer.pid())?,
        cpu_seconds_by_thread: cpu::by_thread(indexer.pid())?,
        wall_seconds: indexer.age().as_secs_f64(),
        requests: of("thalweg_requests_total", "sink=\"documents\"")?,
        delivered,
        duplicates,
        memory_peak_mb: cpu::memory_peak_mb(indexer.pid())?,
    })
}
