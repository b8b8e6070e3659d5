//! The flow under test, its topics, and what it says of itself.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rdkafka::producer::BaseRecord;
use tempfile::TempDir;
use thalweg_benches::cpu;
use thalweg_benches::timed::{Wanted, key};

use super::plan::Plan;
use crate::programs::instance::Instance;
use crate::programs::metrics::Metrics;
use crate::topic::{Filler, delete, make};

/// An instance that is not ready by then never will be.
const READY_WITHIN: Duration = Duration::from_secs(120);

/// What the process takes beside its state, and what each timer is allowed: more than one takes.
const MEMORY_BASE_BYTES: u64 = 400 << 20;
const TIMER_BYTES_MAX: u64 = 320;

/// Topics and settings of a run; the topics are deleted when it is dropped.
pub(super) struct TimerFlow<'f> {
    brokers: &'f str,
    name: String,
    partitions: i32,
    set: Vec<String>,
    /// Where its snapshots are.
    snapshots: TempDir,
}

impl<'f> TimerFlow<'f> {
    /// Makes the topics. With `snapshot_ms`, each partition's state is kept as often.
    pub(super) fn new(
        brokers: &'f str,
        partitions: i32,
        timers: u64,
        rows: bool,
        snapshot_ms: Option<u64>,
    ) -> Result<Self> {
        let name = format!("thalweg-bench-timers-{}-{}", std::process::id(), fastrand::u32(..));
        let state_bytes = timers * TIMER_BYTES_MAX + (64 << 20);
        let mut flow = Self { brokers, name, partitions, set: Vec::new(), snapshots: tempfile::tempdir()? };
        flow.set = vec![
            format!("timers.wanted={}", flow.wanted()),
            format!("timers.fired={}", flow.fired()),
            format!("timers.rows={rows}"),
            format!("state.changelog_topic={}", flow.changelog()),
            format!("state.bytes_max={state_bytes}"),
            format!("engine.memory_bytes={}", MEMORY_BASE_BYTES + state_bytes),
        ];
        if let Some(snapshot_ms) = snapshot_ms {
            flow.set.push(format!("state.snapshot_folder={}", flow.snapshots.path().display()));
            flow.set.push(format!("state.snapshot_interval_ms={snapshot_ms}"));
        }
        make(brokers, &flow.wanted(), partitions)?;
        make(brokers, &flow.fired(), partitions)?;
        Ok(flow)
    }

    fn wanted(&self) -> String {
        format!("{}-wanted", self.name)
    }

    pub(super) fn fired(&self) -> String {
        format!("{}-fired", self.name)
    }

    fn changelog(&self) -> String {
        format!("{}-changelog", self.name)
    }

    /// Starts an instance.
    pub(super) fn start(&self) -> Result<Instance> {
        Instance::start("timer-flow", (self.brokers, &self.name), &self.set)
    }

    /// Waits until the instance has every partition, and its state.
    pub(super) fn until_restored(&self, instance: &mut Instance) -> Result<()> {
        let partitions = u64::from(self.partitions.unsigned_abs());
        instance.until(READY_WITHIN, "restored", |metrics| {
            let (told, left) = metrics.count_and_sum("thalweg_restore_left_records");
            let assigned = metrics.sum("thalweg_partitions_assigned", "");
            ((assigned, told, left) == (Some(partitions), partitions, 0)).then_some(())
        })
    }

    /// Writes what sets every timer of the plan.
    pub(super) fn want_all(&self, plan: &Plan) -> Result<()> {
        self.want((0..plan.all()).map(|number| Wanted::Set { number, deadline_ms: plan.deadline_ms(number) }))
    }

    /// Writes what cancels those of the plan that are to be cancelled.
    pub(super) fn cancel(&self, plan: &Plan) -> Result<()> {
        self.want((plan.pending..plan.all()).map(|number| Wanted::Cancel { number }))
    }

    fn want(&self, all: impl Iterator<Item = Wanted>) -> Result<()> {
        // A key goes where the flow's own output goes: so one partition's timers are one partition's output.
        let mut filler = Filler::placing_keys(self.brokers)?;
        let topic = self.wanted();
        for wanted in all {
            let (Wanted::Set { number, .. } | Wanted::Cancel { number }) = wanted;
            filler.send(BaseRecord::to(&topic).key(&key(number)[..]).payload(&wanted.encode()[..]))?;
        }
        filler.finish()
    }
}

impl Drop for TimerFlow<'_> {
    fn drop(&mut self) {
        let letters = format!("{}.dlq", self.wanted());
        let names = [self.wanted(), self.fired(), self.changelog(), letters];
        if let Err(error) = delete(self.brokers, &names.each_ref().map(String::as_str)) {
            eprintln!("warning: {error:#}");
        }
    }
}

/// Waits until the instance has committed so many records; answers how many it took in a second, from the first look at
/// which there were more than `before`.
pub(super) fn rate_until(instance: &mut Instance, before: u64, all: u64, limit: Duration) -> Result<f64> {
    let deadline = Instant::now() + limit;
    let mut first: Option<(Instant, u64)> = None;
    loop {
        let delivered = instance.until(READY_WITHIN, "answering", |metrics| Some(delivered(metrics)))?;
        let now = Instant::now();
        if delivered > before && first.is_none() {
            first = Some((now, delivered));
        }
        match first {
            Some((begun, counted)) if delivered >= all => {
                // All at one look: too few to say how fast.
                let seconds = (now - begun).as_secs_f64().max(0.05);
                return Ok((delivered - counted).max(1) as f64 / seconds);
            }
            _ if now > deadline => bail!("after {limit:?} only {delivered} of {all} records are done"),
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn delivered(metrics: &Metrics) -> u64 {
    metrics.sum("thalweg_records_total", "outcome=\"delivered\"").unwrap_or_default()
}

/// What a process holds in memory, and what it says that its state takes.
pub(super) fn memory(instance: &mut Instance) -> Result<(u64, u64)> {
    let state_bytes = instance.until(READY_WITHIN, "answering", |metrics| {
        Some(metrics.sum("thalweg_state_bytes", "").unwrap_or_default())
    })?;
    Ok((cpu::memory_now_mb(instance.pid())? << 20, state_bytes))
}

/// How many partitions came back from a snapshot.
pub(super) fn from_snapshot(instance: &mut Instance) -> Result<u64> {
    instance.until(READY_WITHIN, "answering", |metrics| {
        Some(metrics.sum("thalweg_restores_from_snapshot_total", "").unwrap_or_default())
    })
}
