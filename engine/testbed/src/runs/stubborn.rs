//! One document is refused for load (429) all the time: its key waits, and nobody else.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;
use thalweg_testbed::TestbedError;
use thalweg_testbed::proxy::{HttpProxy, Rule};

use super::admin::names;
use super::drain::drain;
use super::evidence::lags;
use super::fleet::{Fleet, TICK};
use super::go_on;
use super::load::Load;
use super::progress::Progress;
use super::verdict::Verdict;
use super::watch::Watch;

/// So few that the refused document's conversation goes on: a hundred records or so in a full run.
pub(crate) const CONVERSATIONS: u32 = 500;
/// The document that is refused is the one of this write: late enough that the flow is under way, early enough that
/// its key gets more records.
const REFUSED_WRITE: u64 = 300;
/// From the end of the load until everything else is done and committed.
const SETTLED: Duration = Duration::from_secs(30);

/// What happened.
#[derive(Debug, Serialize)]
pub(crate) struct Stubborn {
    /// How often the document was refused.
    refusals: u64,
    /// What was seen while it was.
    watch: Watch,
    /// Records read when the load had ended and everything else was done.
    read: u64,
    /// Records that had not ended then: those of the one key.
    open: u64,
    /// Keys parked then.
    parked: u64,
    /// Partitions with a lag by committed offsets then.
    partitions_behind: usize,
    /// From the end of the refusals to lag 0.
    drain_seconds: f64,
    /// The report of `loadgen`.
    load: Value,
    /// The report of `verify`.
    verify: Value,
    /// What is wrong.
    pub(crate) problems: Vec<String>,
}

/// A rule that refuses one document, always the same.
pub(crate) fn refuse_one(status: u16) -> Rule {
    let (writes, refused) = (AtomicU64::new(0), OnceLock::<String>::new());
    Rule::items(status, move |id| {
        if writes.fetch_add(1, Ordering::Relaxed) < REFUSED_WRITE {
            return false;
        }
        refused.get_or_init(|| id.to_owned()) == id
    })
}

/// Plays it; the load is running, the fleet has one instance, which talks through the proxy. Stops the fleet.
pub(crate) fn play(
    mut load: Load,
    proxy: &HttpProxy,
    fleet: &mut Fleet<'_>,
    progress: &mut Progress,
    (kafka, group): (&str, &str),
    partitions: u32,
) -> Result<(Stubborn, PathBuf), TestbedError> {
    let rule = proxy.add(refuse_one(429));
    let mut watch = Watch::default();
    while load.ended().is_none() {
        tick(fleet, &mut watch, progress)?;
    }
    let (report, acked) = load.finish()?;
    let records = report["acked"].as_u64().unwrap_or_default();
    let end = Instant::now();
    let mut seen = None;
    while seen.is_none() && end.elapsed() < SETTLED {
        tick(fleet, &mut watch, progress)?;
        let metrics = watch.last();
        let all_but_one_key = metrics.sum(names::OPEN) <= few(records);
        if all_but_one_key && metrics.sum(names::READ) >= records {
            let behind = lags(kafka, group)?.into_iter().filter(|lag| *lag != Some(0)).count();
            seen = (behind <= 1).then_some(behind);
        }
    }
    tick(fleet, &mut watch, progress)?;
    let metrics = watch.last().clone();
    let refusals = rule.hits();
    rule.off();
    progress.note("the document is no longer refused");
    let drained = drain(fleet, (kafka, group), partitions, progress)?;
    fleet.stop()?;
    let stubborn = Stubborn {
        refusals,
        watch,
        read: metrics.sum(names::READ),
        open: metrics.sum(names::OPEN),
        parked: metrics.sum(names::PARKED),
        partitions_behind: seen.unwrap_or(partitions as usize),
        drain_seconds: drained.as_secs_f64(),
        load: report,
        verify: Value::Null,
        problems: Vec::new(),
    };
    Ok((stubborn, acked))
}

/// More records than one conversation has, of so many evenly spread over conversations; far fewer than all.
fn few(records: u64) -> u64 {
    3 * records / u64::from(CONVERSATIONS) + 10
}

fn tick(fleet: &mut Fleet<'_>, watch: &mut Watch, progress: &mut Progress) -> Result<(), TestbedError> {
    go_on()?;
    fleet.look_after()?;
    watch.look(fleet);
    progress.show(|| {
        let sum = |name| watch.last().sum(name);
        format!(
            "read {}, open {}, lag {}, parked {}",
            sum(names::READ),
            sum(names::OPEN),
            sum(names::LAG),
            sum(names::PARKED)
        )
    });
    std::thread::sleep(TICK * 5);
    Ok(())
}

impl Stubborn {
    /// Judges, with what `verify` found.
    pub(crate) fn judged(mut self, verdict: Verdict, fleet: &Fleet<'_>) -> Self {
        let problems = &mut self.problems;
        let mut must = |is: bool, what: String| {
            if !is {
                problems.push(format!("stubborn document: {what}"));
            }
        };
        let records = self.load["acked"].as_u64().unwrap_or_default();
        must(verdict.ok(), "verify found differences".to_owned());
        must(self.refusals > 2, format!("it was refused only {} times", self.refusals));
        must(self.read == records, format!("{} of {records} records were read while it was", self.read));
        must((1..=few(records)).contains(&self.open), format!("{} records were still open", self.open));
        must(self.parked == 1, format!("{} keys were parked", self.parked));
        must(self.watch.parked_max == 1, format!("up to {} keys were parked", self.watch.parked_max));
        must(self.partitions_behind <= 1, format!("{} partitions had a lag", self.partitions_behind));
        let (exits, unclean) = (fleet.tally.unexpected_exits, fleet.tally.stops_unclean);
        must(exits + unclean == 0, format!("{exits} unexpected exits, {unclean} unclean stops"));
        self.verify = verdict.into_json();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_document_s_records_are_few() {
        assert_eq!(few(15_000), 100);
        assert!(few(60_000) < 60_000 / 100);
    }
}
