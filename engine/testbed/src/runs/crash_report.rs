//! The crash run's report, and what makes it a failure.

use serde::Serialize;
use serde_json::Value;

use super::crash::Course;
use super::indexer::SESSION_MS;
use super::settings::CrashSettings;

/// The last line of output.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    run: &'static str,
    miniature: bool,
    seed: u64,
    protocol: &'static str,
    session_timeout_ms: u64,
    instances_max: u8,
    records: u64,
    rate: f64,
    seconds: f64,
    kills: usize,
    kills_in_flight: usize,
    sigstops: usize,
    sigstops_in_flight: usize,
    planned_stops: usize,
    planned_stops_in_flight: usize,
    stops_clean: u64,
    stops_unclean: u64,
    unexpected_exits: u64,
    lost: u64,
    extra: u64,
    stale: u64,
    dead_letters_expected: u64,
    dead_letters_found: u64,
    dead_letters_missing: u64,
    dead_letters_unexpected: u64,
    dead_letters_twice: u64,
    effects_applied_twice: i64,
    effects: Effects,
    restart_to_first_effect_ms: Times,
    join_to_first_effect_ms: Times,
    starts_without_effect: u64,
    drain_seconds: f64,
    committed_lag_after_stop: Option<u64>,
    load: Value,
    verify: Value,
    /// Why it is not ok.
    pub(crate) problems: Vec<String>,
    ok: bool,
}

/// What Elasticsearch counted against what the topic asks for.
#[derive(Debug, Serialize)]
struct Effects {
    expected: u64,
    applied: u64,
    refused_as_applied_before: u64,
    how: &'static str,
}

const HOW: &str = "expected: records - duplicates - superseded - dead letters, as verify counts them on the topic; \
                   applied: index_total of the index's _stats; refused: index_failed_due_to_version_conflict; applied \
                   twice: applied - expected";

/// Times of one kind, in the order they were measured.
#[derive(Debug, Serialize)]
struct Times {
    p50: Option<u64>,
    max: Option<u64>,
    all: Vec<u64>,
}

impl Times {
    fn of(all: Vec<u64>) -> Self {
        let mut sorted = all.clone();
        sorted.sort_unstable();
        Self { p50: sorted.get(sorted.len() / 2).copied(), max: sorted.last().copied(), all }
    }
}

impl Report {
    /// Judges what happened.
    pub(crate) fn of(settings: &CrashSettings, course: Course) -> Self {
        let problems = problems(settings, &course);
        let Course { chaos, tally, verdict, work, .. } = course;
        let expected = verdict.count("records").saturating_sub(
            verdict.count("duplicates")
                + verdict.count("superseded")
                + verdict.count("dead_letters_expected"),
        );
        Self {
            run: "crash",
            miniature: settings.place.miniature,
            seed: course.seed,
            protocol: course.protocol,
            session_timeout_ms: SESSION_MS,
            instances_max: settings.instances,
            records: course.load["acked"].as_u64().unwrap_or_default(),
            rate: course.load["rate"].as_f64().unwrap_or_default(),
            seconds: course.load["seconds"].as_f64().unwrap_or_default(),
            kills: chaos.kills.all,
            kills_in_flight: chaos.kills.in_flight,
            sigstops: chaos.suspensions.all,
            sigstops_in_flight: chaos.suspensions.in_flight,
            planned_stops: chaos.leaves.all,
            planned_stops_in_flight: chaos.leaves.in_flight,
            stops_clean: tally.stops_clean,
            stops_unclean: tally.stops_unclean,
            unexpected_exits: tally.unexpected_exits,
            lost: verdict.count("lost"),
            extra: verdict.count("extra"),
            stale: verdict.count("stale"),
            dead_letters_expected: verdict.count("dead_letters_expected"),
            dead_letters_found: verdict.count("dead_letters_found"),
            dead_letters_missing: verdict.count("dead_letters_missing"),
            dead_letters_unexpected: verdict.count("dead_letters_unexpected"),
            dead_letters_twice: verdict.count("dead_letters_twice"),
            effects_applied_twice: work.writes.cast_signed() - expected.cast_signed(),
            effects: Effects {
                expected,
                applied: work.writes,
                refused_as_applied_before: work.conflicts,
                how: HOW,
            },
            restart_to_first_effect_ms: Times::of(tally.restarts_ms),
            join_to_first_effect_ms: Times::of(tally.joins_ms),
            starts_without_effect: tally.without_effect,
            drain_seconds: course.drain.as_secs_f64(),
            committed_lag_after_stop: course.committed_lag,
            load: course.load,
            verify: verdict.into_json(),
            ok: problems.is_empty(),
            problems,
        }
    }
}

fn problems(settings: &CrashSettings, course: &Course) -> Vec<String> {
    let mut problems = Vec::new();
    let Course { chaos, tally, verdict, .. } = course;
    if !verdict.ok() {
        problems.push("verify found differences".to_owned());
    }
    if course.committed_lag != Some(0) {
        problems.push(format!("the committed offsets leave a lag of {:?}", course.committed_lag));
    }
    if tally.unexpected_exits + tally.stops_unclean > 0 {
        let (exits, stops) = (tally.unexpected_exits, tally.stops_unclean);
        problems.push(format!("{exits} instances ended by themselves, {stops} did not stop as told"));
    }
    let planned = settings.counts();
    let blows = [
        ("SIGKILL", chaos.kills, planned.kills),
        ("SIGSTOP", chaos.suspensions, planned.suspensions),
        ("SIGTERM", chaos.leaves, planned.leaves),
    ];
    for (signal, dealt, planned) in blows {
        if dealt.in_flight < planned {
            problems.push(format!("{signal} hit records in flight {} times of {planned}", dealt.in_flight));
        }
    }
    problems
}
