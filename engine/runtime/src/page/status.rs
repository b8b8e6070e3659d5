//! What the page is told: everything as of now, and the seconds that it has not seen.

use serde::Serialize;
use thalweg_core::outcome::Outcome;
use thalweg_core::time::Now;
use thalweg_core::worker::WorkerSettings;

use super::history::{History, Sample};
use super::latest_letters::Letter;
use super::situation::{Down, Facts, Situation, Tone};
use crate::admin::{SILENT_MS, View};
use crate::clock;
use crate::drive::Plan;
use crate::snapshot::{Snapshot, StateSnapshot};
use crate::totals::{lag, parked_keys};

/// Rates are means over so many samples: one second alone is unsteady.
const RECENT: usize = 5;

/// Brokers are asked every two seconds, and may take five.
const BROKERS_SILENT_MS: u64 = 12_000;

/// A commit may be late by so many of its intervals, and by at least so much.
const COMMIT_LATE_INTERVALS: u64 = 10;
const COMMIT_LATE_MS: u64 = 15_000;

/// From this share of a limit on, reading waits again and again.
const FULL_PERCENT: u64 = 95;

/// What a worker calls the sink of its dead letters.
const LETTERS_SINK: &str = "dead_letters";

/// What does not change while the flow runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct About {
    pub(crate) flow: &'static str,
    pub(crate) topic: String,
    pub(crate) group: String,
    pub(crate) dead_letter_topic: String,
    /// Names of the sinks, and what the systems behind them are called.
    pub(crate) sinks: Vec<(&'static str, &'static str)>,
    pub(crate) version: &'static str,
    /// Tells one run of the process from another: its start, ms since 1970.
    pub(crate) started_unix_ms: i64,
    /// Why there is no search box; `None`: there is one.
    pub(crate) search_off: Option<&'static str>,
    pub(crate) shows_payloads: bool,
    pub(crate) memory_bytes: u64,
    pub(crate) open_records_max: u64,
    #[serde(skip)]
    pub(crate) commit_interval_ms: u64,
}

impl About {
    pub(crate) fn of(plan: &Plan, search_off: Option<&'static str>) -> Self {
        let Plan { flow, engine, log, dead_letter_topic, .. } = plan;
        let mut sinks: Vec<_> = flow.sinks.plans.iter().map(|(name, sink)| (*name, sink.system())).collect();
        sinks.extend(flow.work.outputs());
        sinks.push((LETTERS_SINK, "Kafka (dead letters)"));
        Self {
            flow: flow.name,
            topic: log.topic.clone(),
            group: flow.source.settings.group.id.clone(),
            dead_letter_topic: dead_letter_topic.clone(),
            sinks,
            version: env!("CARGO_PKG_VERSION"),
            started_unix_ms: clock::now().unix_ms,
            search_off,
            shows_payloads: engine.show_payloads,
            memory_bytes: engine.memory_bytes,
            open_records_max: u64::from(engine.open_records_max) * u64::from(engine.workers),
            commit_interval_ms: engine.commit_interval_ms,
        }
    }
}

/// The answer to `/api/status`.
#[derive(Debug, Serialize)]
pub(crate) struct Status<'v> {
    about: &'v About,
    /// Every flow of the process, this one included.
    flows: Vec<FlowState>,
    now_unix_ms: i64,
    situation: Situation,
    in_per_second: f64,
    out_per_second: f64,
    records: Records,
    lag_records: Option<u64>,
    parked_keys: usize,
    reserved_bytes: u64,
    records_bytes: u64,
    sinks: Vec<Sink>,
    letters_by_reason: Vec<(String, u64)>,
    letters: Vec<Letter>,
    partitions: Vec<Partition>,
    workers: Vec<Worker>,
    /// Number of the first sample; the next to ask for is this plus how many there are.
    first_sample: u64,
    samples: Vec<Sample>,
}

/// How a flow of the process is, in a word.
#[derive(Debug, Serialize)]
struct FlowState {
    name: &'static str,
    tone: Tone,
}

/// Where every record went; adds up.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Records {
    read: u64,
    delivered: u64,
    filtered: u64,
    duplicates: u64,
    superseded: u64,
    dead_lettered: u64,
    given_up: u64,
    in_flight: u64,
}

/// A sink, all workers together.
#[derive(Debug, Default, Serialize)]
struct Sink {
    name: &'static str,
    system: &'static str,
    /// `closed`, `open` or `probing`: the worst of all workers.
    breaker: &'static str,
    down_for_ms: Option<u64>,
    opened: u64,
    flights: usize,
    effects: usize,
    parked_keys: usize,
    parked_for_ms: Option<u64>,
    requests: u64,
    retries: u64,
    overloaded: u64,
    last_error: Option<String>,
    last_error_age_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Partition {
    topic: String,
    number: i32,
    worker: usize,
    committed: i64,
    finished: i64,
    end: Option<i64>,
    lag: Option<u64>,
    open: usize,
    /// Of an exactly-once flow.
    state: Option<PartitionState>,
}

#[derive(Debug, Serialize)]
struct PartitionState {
    rows: u64,
    timers: u64,
    bytes: u64,
    /// Its changelog is being read, with so much left; the number may not be known yet.
    restoring: bool,
    restore_left: Option<u64>,
    /// It is its local snapshot that is being read.
    loading: bool,
    /// The local snapshot: how old and how large.
    snapshot_age_ms: Option<u64>,
    snapshot_bytes: Option<u64>,
}

impl PartitionState {
    fn of(state: &StateSnapshot) -> Self {
        let StateSnapshot { rows, timers, bytes, restoring, loading, restore_left, kept_age_ms, kept_bytes } =
            *state;
        let (snapshot_age_ms, snapshot_bytes) = (kept_age_ms, kept_bytes);
        Self { rows, timers, bytes, restoring, restore_left, loading, snapshot_age_ms, snapshot_bytes }
    }
}

#[derive(Debug, Serialize)]
struct Worker {
    joined: bool,
    silent_ms: Option<u64>,
    partitions: usize,
    read: u64,
    open: u64,
    reserved_bytes: u64,
    held_keys: usize,
    rebalances: u64,
    commits: u64,
    commits_failed: u64,
    commit_age_ms: Option<u64>,
}

/// The status of that flow among all of the process, with the samples from number `since` on.
pub(crate) fn status<'v>(view: &'v View, all: &[View], since: u64, now: Now) -> Status<'v> {
    let flows =
        all.iter().map(|view| FlowState { name: view.flow, tone: situation(view, now).tone }).collect();
    let snapshots = view.snapshots();
    let history = view.history.lock();
    let sinks = sinks(&snapshots, &history, &view.about, now);
    let situation = facts(view, &snapshots, &history, &sinks, now).situation();
    let (first_sample, samples) = history.since(since);
    let letters = view.letters.lock();
    Status {
        about: &view.about,
        flows,
        now_unix_ms: now.unix_ms,
        situation,
        in_per_second: recent(&history, |sample| sample.in_per_second),
        out_per_second: recent(&history, |sample| sample.out_per_second),
        records: records(&snapshots),
        lag_records: lag(&snapshots),
        parked_keys: parked_keys(&snapshots),
        reserved_bytes: snapshots.iter().map(|snapshot| snapshot.reserved_bytes).sum(),
        records_bytes: records_bytes(view, &snapshots),
        sinks,
        letters_by_reason: letters.iter().map(|(reason, count)| (reason.clone(), *count)).collect(),
        letters: view.latest_letters.newest(),
        partitions: partitions(&snapshots),
        workers: snapshots.iter().map(|snapshot| worker(snapshot, now)).collect(),
        first_sample,
        samples,
    }
}

fn situation(view: &View, now: Now) -> Situation {
    let (snapshots, history) = (view.snapshots(), view.history.lock());
    let sinks = sinks(&snapshots, &history, &view.about, now);
    facts(view, &snapshots, &history, &sinks, now).situation()
}

fn recent(history: &History, of: fn(&Sample) -> f64) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for sample in history.newest(RECENT) {
        sum += of(sample);
        count += 1.0;
    }
    if count > 0.0 { sum / count } else { 0.0 }
}

fn facts(view: &View, snapshots: &[Snapshot], history: &History, sinks: &[Sink], now: Now) -> Facts {
    let age_ms = |uptime_ms: u64| now.uptime_ms.saturating_sub(uptime_ms);
    let silent = snapshots.iter().enumerate().find_map(|(number, snapshot)| {
        let silent_ms = age_ms(snapshot.taken_ms);
        (snapshot.taken_ms > 0 && silent_ms > SILENT_MS).then_some((number, silent_ms))
    });
    let down = sinks.iter().find(|sink| sink.breaker != "closed").map(|sink| Down {
        system: sink.system,
        for_ms: sink.down_for_ms.unwrap_or_default(),
        why: sink.last_error.as_deref().map_or("it failed", in_words).to_owned(),
    });
    let brokers_silent_ms = view.ends.lock().answered_ms.map(age_ms);
    let open = snapshots.iter().map(|snapshot| snapshot.accounts.open()).sum();
    let reserved_bytes: u64 = snapshots.iter().map(|snapshot| snapshot.reserved_bytes).sum();
    Facts {
        stopping: snapshots.iter().any(|snapshot| snapshot.stopping),
        silent,
        down,
        brokers_silent_ms: brokers_silent_ms.filter(|ms| *ms > BROKERS_SILENT_MS),
        joined: snapshots.iter().all(|snapshot| snapshot.joined),
        partitions: snapshots.iter().map(|snapshot| snapshot.partitions.len()).sum(),
        is_full: is_near(reserved_bytes, records_bytes(view, snapshots))
            || is_near(open, view.about.open_records_max),
        open,
        lag: lag(snapshots).unwrap_or_default(),
        parked_keys: parked_keys(snapshots),
        in_per_second: recent(history, |sample| sample.in_per_second),
        out_per_second: recent(history, |sample| sample.out_per_second),
        p99_ms: history.newest(RECENT).find_map(|sample| sample.p99_ms),
        commit_late_ms: commit_late_ms(snapshots, view.about.commit_interval_ms, now),
        without_end_ms: age_ms(history.progressed_ms()),
        last_error: sinks.iter().find_map(|sink| sink.last_error.clone()),
    }
}

/// An error without the number that the system has for it.
fn in_words(error: &str) -> &str {
    error.split_once(" (os error ").map_or(error, |(words, _)| words)
}

fn is_near(value: u64, limit: u64) -> bool {
    limit > 0 && value >= limit / 100 * FULL_PERCENT
}

fn records_bytes(view: &View, snapshots: &[Snapshot]) -> u64 {
    let (budget_bytes, partition_bytes) = (view.memory.worker_bytes, view.memory.partition_bytes);
    let limits = WorkerSettings { budget_bytes, partition_bytes, ..WorkerSettings::default() };
    snapshots.iter().map(|snapshot| limits.records_bytes(snapshot.partitions.len())).sum()
}

/// The longest that a worker has waited for a commit although something is finished, when that is too long.
fn commit_late_ms(snapshots: &[Snapshot], interval_ms: u64, now: Now) -> Option<u64> {
    let late_ms = COMMIT_LATE_MS.max(interval_ms.saturating_mul(COMMIT_LATE_INTERVALS));
    let waits = |snapshot: &&Snapshot| snapshot.partitions.iter().any(|one| one.finished > one.committed);
    let ages = snapshots.iter().filter(waits).filter_map(|snapshot| snapshot.committed_ms);
    ages.map(|committed_ms| now.uptime_ms.saturating_sub(committed_ms)).filter(|ms| *ms > late_ms).max()
}

fn records(snapshots: &[Snapshot]) -> Records {
    let mut records = Records::default();
    for Snapshot { accounts, .. } in snapshots {
        records.read += accounts.read;
        records.delivered += accounts.of(Outcome::Delivered);
        records.filtered += accounts.of(Outcome::Filtered);
        records.duplicates += accounts.of(Outcome::Duplicate);
        records.superseded += accounts.of(Outcome::Superseded);
        records.dead_lettered += accounts.of(Outcome::DeadLettered);
        records.given_up += accounts.given_up;
        records.in_flight += accounts.open();
    }
    records
}

fn sinks(snapshots: &[Snapshot], history: &History, about: &About, now: Now) -> Vec<Sink> {
    let mut sinks: Vec<Sink> = Vec::new();
    for (name, status) in snapshots.iter().flat_map(|snapshot| &snapshot.sinks) {
        let known = sinks.iter().position(|sink| sink.name == *name);
        let index = known.unwrap_or_else(|| {
            let system =
                about.sinks.iter().find(|(sink, _)| sink == name).map_or("the sink", |(_, system)| system);
            sinks.push(Sink { name, system, breaker: "closed", ..Sink::default() });
            sinks.len() - 1
        });
        let (sink, since) = (&mut sinks[index], history.sink(name));
        let age_ms = |uptime_ms: u64| now.uptime_ms.saturating_sub(uptime_ms);
        if status.breaker_probing {
            sink.breaker = "probing";
        } else if !status.breaker_closed && sink.breaker == "closed" {
            sink.breaker = "open";
        }
        if !status.breaker_closed {
            sink.down_for_ms = Some(since.down_ms.map_or(0, age_ms));
        }
        sink.opened += status.breaker_opened;
        sink.flights += status.flights;
        sink.effects += status.effects;
        sink.parked_keys += status.parked_keys;
        sink.parked_for_ms = sink.parked_for_ms.max(status.parked_since_ms.map(age_ms));
        sink.requests += status.requests;
        sink.retries += status.retries;
        sink.overloaded += status.overloaded;
        if let Some(reason) = &status.last_error {
            sink.last_error = Some(reason.message.clone().into_owned());
            sink.last_error_age_ms = Some(since.error_ms.map_or(0, age_ms));
        }
    }
    sinks
}

fn partitions(snapshots: &[Snapshot]) -> Vec<Partition> {
    let mut partitions: Vec<Partition> = Vec::new();
    for (worker, snapshot) in snapshots.iter().enumerate() {
        partitions.extend(snapshot.partitions.iter().map(|partition| Partition {
            topic: partition.topic.to_string(),
            number: partition.number,
            worker,
            committed: partition.committed,
            finished: partition.finished,
            end: partition.high,
            lag: partition.lag(),
            open: partition.open,
            state: partition.state.as_ref().map(PartitionState::of),
        }));
    }
    partitions.sort_by(|one, other| (&one.topic, one.number).cmp(&(&other.topic, other.number)));
    partitions
}

fn worker(snapshot: &Snapshot, now: Now) -> Worker {
    let age_ms = |uptime_ms: u64| now.uptime_ms.saturating_sub(uptime_ms);
    Worker {
        joined: snapshot.joined,
        silent_ms: (snapshot.taken_ms > 0).then(|| age_ms(snapshot.taken_ms)),
        partitions: snapshot.partitions.len(),
        read: snapshot.accounts.read,
        open: snapshot.accounts.open(),
        reserved_bytes: snapshot.reserved_bytes,
        held_keys: snapshot.held_keys,
        rebalances: snapshot.rebalances,
        commits: snapshot.commits,
        commits_failed: snapshot.commits_failed,
        commit_age_ms: snapshot.committed_ms.map(age_ms),
    }
}

#[cfg(test)]
mod tests;
