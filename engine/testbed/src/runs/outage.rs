//! Elasticsearch is away under load: intake stops, nothing is lost or given up, the membership is kept.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;
use thalweg_testbed::TestbedError;
use thalweg_testbed::process::wait_until;
use thalweg_testbed::proxy::HttpProxy;

use super::drain::drain;
use super::evidence::members;
use super::fleet::{Fleet, TICK};
use super::ground::Ground;
use super::indexer::MEMORY_BYTES;
use super::load::Load;
use super::progress::Progress;
use super::verdict::Verdict;
use super::watch::Watch;
use super::{failed, go_on};

/// Load before the outage.
pub(crate) const BEFORE: Duration = Duration::from_secs(8);

/// Load after the outage; a node that was stopped takes its time to start, which prolongs it.
pub(crate) fn after(ground: &Ground) -> Duration {
    Duration::from_secs(if ground.private.is_some() { 60 } else { 15 })
}

/// Asking for the group's members takes a second, once when all is well and once before the end.
const LOOK_BEFORE_END: Duration = Duration::from_secs(3);

/// What happened.
#[derive(Debug, Serialize)]
pub(crate) struct Outage {
    /// How Elasticsearch was away.
    how: &'static str,
    /// For how long.
    seconds: f64,
    /// The group's members before and at the end of it are the same.
    heartbeats_kept: bool,
    /// Ids of the members.
    members: Vec<String>,
    /// What was seen while it lasted.
    during: Watch,
    /// What was seen of the whole scene.
    overall: Watch,
    /// From its end to the first moment at which the lag was less than two seconds' load.
    recovered_seconds: f64,
    /// From the end of the load to lag 0.
    drain_seconds: f64,
    /// The report of `loadgen`.
    load: Value,
    /// The report of `verify`.
    verify: Value,
    /// What is wrong.
    pub(crate) problems: Vec<String>,
}

/// Plays it; the load is running, the fleet has one instance, which talks through the proxy.
pub(crate) struct Stage<'r, 'p> {
    pub(crate) ground: &'r Ground,
    pub(crate) group: &'r str,
    pub(crate) proxy: &'r HttpProxy,
    pub(crate) fleet: &'r mut Fleet<'p>,
    pub(crate) progress: &'r mut Progress,
}

impl Stage<'_, '_> {
    /// Plays the scene to the end of its load, and stops the fleet.
    pub(crate) fn play(
        mut self,
        mut load: Load,
        length: Duration,
        rate: u32,
        partitions: u32,
    ) -> Result<(Outage, std::path::PathBuf), TestbedError> {
        let mut overall = Watch::default();
        self.watch(&mut overall, BEFORE)?;
        let before = members(&self.ground.kafka, self.group)?;
        let (during, after, seconds) = self.away(length)?;
        let healed = Instant::now();
        let mut recovered = None;
        while load.ended().is_none() {
            self.tick(&mut overall)?;
            if recovered.is_none() && overall.last().sum(super::admin::names::LAG) < u64::from(rate) * 2 {
                recovered = Some(healed.elapsed());
            }
        }
        let (report, acked) = load.finish()?;
        let drained = drain(self.fleet, (&self.ground.kafka, self.group), partitions, self.progress)?;
        self.tick(&mut overall)?;
        self.fleet.stop()?;
        let how = if self.ground.private.is_some() { "stopped and refused" } else { "refused by a proxy" };
        let outage = Outage {
            how,
            seconds,
            heartbeats_kept: before == after && !before.is_empty(),
            members: after,
            recovered_seconds: recovered.unwrap_or_else(|| healed.elapsed()).as_secs_f64(),
            drain_seconds: drained.as_secs_f64(),
            during,
            overall,
            load: report,
            verify: Value::Null,
            problems: Vec::new(),
        };
        Ok((outage, acked))
    }

    fn watch(&mut self, watch: &mut Watch, time: Duration) -> Result<(), TestbedError> {
        let begin = Instant::now();
        while begin.elapsed() < time {
            self.tick(watch)?;
        }
        Ok(())
    }

    fn tick(&mut self, watch: &mut Watch) -> Result<(), TestbedError> {
        go_on()?;
        self.fleet.look_after()?;
        watch.look(self.fleet);
        self.progress.show(|| {
            format!(
                "open {}, lag {}, breaker open in {} of {} looks, {} MB in memory at most",
                watch.last().sum(super::admin::names::OPEN),
                watch.last().sum(super::admin::names::LAG),
                watch.breaker_open,
                watch.looks,
                watch.resident_bytes_max >> 20
            )
        });
        std::thread::sleep(TICK * 5);
        Ok(())
    }

    /// The outage: what was seen, the members at its end, how long it was.
    fn away(&mut self, length: Duration) -> Result<(Watch, Vec<String>, f64), TestbedError> {
        let mut during = Watch::default();
        self.progress.note("Elasticsearch goes away");
        let begin = Instant::now();
        self.proxy.refuse();
        if let Some((_, elasticsearch)) = &self.ground.private {
            elasticsearch.stop()?;
        }
        self.watch(&mut during, length.saturating_sub(begin.elapsed() + LOOK_BEFORE_END))?;
        let after = members(&self.ground.kafka, self.group)?;
        self.watch(&mut during, length.saturating_sub(begin.elapsed()))?;
        if let Some((_, elasticsearch)) = &self.ground.private {
            elasticsearch.start()?;
        }
        self.proxy.heal();
        self.progress.note("Elasticsearch is back");
        Ok((during, after, begin.elapsed().as_secs_f64()))
    }
}

impl Outage {
    /// Judges, with what `verify` found.
    pub(crate) fn judged(mut self, verdict: Verdict, fleet: &Fleet<'_>) -> Self {
        let problems = &mut self.problems;
        let mut must = |is: bool, what: String| {
            if !is {
                problems.push(format!("outage: {what}"));
            }
        };
        must(verdict.ok(), "verify found differences".to_owned());
        let unexpected = verdict.count("dead_letters_unexpected");
        must(unexpected == 0, format!("{unexpected} dead letters of records that are sound"));
        must(self.heartbeats_kept, "the group's members changed".to_owned());
        let (first, last) = (self.during.rebalances_first, self.during.rebalances_last);
        must(first == last, format!("{} rebalances while it lasted", last.saturating_sub(first)));
        must(self.during.breaker_open > 0, "the breaker was never seen open".to_owned());
        must(self.during.silent == 0, format!("{} looks were not answered", self.during.silent));
        for (what, bytes) in [
            ("resident", self.overall.resident_bytes_max.max(self.during.resident_bytes_max)),
            ("reserved", self.overall.reserved_bytes_max.max(self.during.reserved_bytes_max)),
        ] {
            must(bytes <= MEMORY_BYTES, format!("{} MB {what}", bytes >> 20));
        }
        must(self.during.reserved_bytes_max > 0, "the budget's metric was never above 0".to_owned());
        let (exits, unclean) = (fleet.tally.unexpected_exits, fleet.tally.stops_unclean);
        must(exits + unclean == 0, format!("{exits} unexpected exits, {unclean} unclean stops"));
        self.verify = verdict.into_json();
        self
    }
}

/// Waits until the first instance is ready: the load that is written meanwhile is read then.
pub(crate) fn until_ready(fleet: &mut Fleet<'_>) -> Result<(), TestbedError> {
    let mut result = Ok(());
    let ready = wait_until(Duration::from_secs(60), || {
        result = go_on().and_then(|()| fleet.look_after());
        result.is_err() || fleet.is_ready(0)
    });
    result?;
    if ready { Ok(()) } else { Err(failed("message-indexer", "is not ready after 60 s")) }
}
