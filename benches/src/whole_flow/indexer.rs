//! One run of `message-indexer`, from its start to no lag.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::admin::{self, Metrics};
use super::programs;
use super::stand_in::terminate;
use crate::cpu;

/// Time between two looks at its metrics: each costs it some microseconds.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// No run takes this long; one that hangs must end.
const RUN_MAX: Duration = Duration::from_secs(300);

/// What a run is told.
pub(super) struct Job<'j> {
    pub(super) brokers: &'j str,
    pub(super) topic: &'j str,
    pub(super) records: u64,
    pub(super) elasticsearch: &'j str,
    pub(super) group: &'j str,
    pub(super) log: &'j Path,
}

/// What a run cost.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Cost {
    /// Of all its threads, from its start to the last outcome.
    pub(super) cpu_seconds: f64,
    /// By thread name, those that used any.
    pub(super) cpu_seconds_by_thread: Vec<(String, f64)>,
    pub(super) wall_seconds: f64,
    /// Requests to the stand-in.
    pub(super) requests: u64,
    pub(super) delivered: u64,
    pub(super) duplicates: u64,
    /// The most memory it ever held, in MB.
    pub(super) memory_peak_mb: u64,
}

/// Runs it until every record has its outcome, then stops it.
pub(super) fn run(job: &Job<'_>) -> Result<Cost> {
    let address = admin::free_address()?;
    let log = std::fs::File::create(job.log)?;
    let begun = Instant::now();
    let mut child = programs::command("message-indexer")?
        .args(["--set", &format!("kafka.brokers={}", job.brokers)])
        .args(["--set", &format!("kafka.group.id={}", job.group)])
        .args(["--set", &format!("source.topic={}", job.topic)])
        .args(["--set", &format!("elasticsearch.nodes=[\"{}\"]", job.elasticsearch)])
        .args(["--set", &format!("engine.admin_listen={address}")])
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    let cost = until_done(&mut child, job, address, begun);
    if cost.is_err() {
        child.kill()?;
    } else {
        terminate(&child)?;
    }
    let status = child.wait()?;
    let cost =
        cost.with_context(|| format!("message-indexer ({status}); its log is {}", job.log.display()))?;
    if !status.success() {
        bail!("message-indexer did not stop cleanly: {status}; its log is {}", job.log.display());
    }
    Ok(cost)
}

fn until_done(child: &mut Child, job: &Job<'_>, address: SocketAddr, begun: Instant) -> Result<Cost> {
    loop {
        std::thread::sleep(LOOK_EVERY);
        if let Some(status) = child.try_wait()? {
            bail!("ended by itself: {status}");
        }
        let Ok(metrics) = Metrics::of(address) else { continue };
        let sum = |name| metrics.sum(name, "");
        let (read, open) = (sum("thalweg_records_read_total"), sum("thalweg_records_open"));
        if (read, open) == (Some(job.records), Some(0)) {
            return cost(child, &metrics, job.records, begun);
        }
        if begun.elapsed() > RUN_MAX {
            bail!("not done after {RUN_MAX:?}: {read:?} of {} read, {open:?} open", job.records);
        }
    }
}

fn cost(child: &Child, metrics: &Metrics, records: u64, begun: Instant) -> Result<Cost> {
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
        cpu_seconds: cpu::of_process(child.id())?,
        cpu_seconds_by_thread: cpu::by_thread(child.id())?,
        wall_seconds: begun.elapsed().as_secs_f64(),
        requests: of("thalweg_requests_total", "sink=\"documents\"")?,
        delivered,
        duplicates,
        memory_peak_mb: cpu::memory_peak_mb(child.id())?,
    })
}
