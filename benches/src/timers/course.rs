//! The course of a run: set, cancel, stop, restart, fire.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::Serialize;

use super::flow::{TimerFlow, from_snapshot, memory, rate_until};
use super::follower::{Followed, Follower, Lateness};
use super::plan::{Plan, now_ms, sleep_until};
use crate::hiccups::{Hiccups, Watch};

/// The flow is asked to stop so long before the first timer is due.
const STOP_BEFORE_MS: i64 = 2_000;

/// How long the last timers may take after they are due.
const END_WITHIN: Duration = Duration::from_secs(120);

/// Pages that are not used go back to the system meanwhile.
const MEMORY_SETTLES: Duration = Duration::from_secs(3);

/// How often the reader is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What was found.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    pub(super) set_per_second: f64,
    pub(super) cancelled_per_second: f64,
    /// Of those that were overdue, from the first that ran to the last.
    pub(super) overdue_fired_per_second: f64,
    /// Of the others: as many as were due.
    pub(super) steady_fired_per_second: f64,
    /// Growth of the process's memory from nothing pending to all, by their number.
    pub(super) resident_bytes_per_timer: f64,
    /// What the engine counts for it.
    pub(super) counted_bytes_per_timer: f64,
    /// From the process's start until all state was there.
    pub(super) restore_ms: f64,
    /// Partitions whose state came from a snapshot, and only its tail from the changelog.
    pub(super) restored_from_snapshot: u64,
    /// From the process's start until the first overdue timer ran.
    pub(super) restart_to_first_run_ms: f64,
    /// From the deadline to the timer's run, of those that were due at the rate.
    pub(super) lateness: Lateness,
    /// From the deadline until a reader of what is committed had the record.
    pub(super) visible: Lateness,
    /// How late a thread was that only slept, while those were due.
    pub(super) hiccups: Hiccups,
    pub(super) fired_right: u64,
}

/// What was seen until the flow was stopped.
struct Prepared {
    set_per_second: f64,
    cancelled_per_second: f64,
    /// Memory without timers and with all of them, and what the engine counts for them.
    empty_bytes: u64,
    full_bytes: u64,
    counted_bytes: u64,
}

/// Goes through it.
pub(super) fn go(flow: &TimerFlow<'_>, brokers: &str, partitions: i32, plan: Plan) -> Result<Found> {
    let follower = Follower::start(brokers, &flow.fired(), partitions, plan)?;
    let prepared = prepare(flow, &plan)?;
    if now_ms() > plan.stop_ms || follower.seen() > 0 {
        bail!("the flow was not stopped before the first timer was due");
    }
    eprintln!("stopped; the restart is in {} ms", plan.restart_ms - now_ms());
    sleep_until(plan.restart_ms);
    let (restarted_us, restarted) = (now_ms() * 1_000, Instant::now());
    let mut firing = flow.start()?;
    flow.until_restored(&mut firing)?;
    let restore_ms = restarted.elapsed().as_secs_f64() * 1e3;
    let restored_from_snapshot = from_snapshot(&mut firing)?;
    eprintln!("restored after {restore_ms:.0} ms, {restored_from_snapshot} partitions from a snapshot");
    sleep_until(plan.steady_ms);
    if follower.seen() < plan.overdue() {
        eprintln!("warning: overdue timers are left as the others begin: give it more --settle-seconds");
    }
    let watch = Watch::start()?;
    sleep_until(plan.end_ms());
    let hiccups = watch.finish()?;
    until_all(&follower, plan.pending)?;
    firing.stop()?;
    let followed = judged(follower.finish()?, plan.pending)?;
    let first_us = followed.overdue_us.map_or(restarted_us, |(first, _)| first);
    Ok(Found {
        set_per_second: prepared.set_per_second,
        cancelled_per_second: prepared.cancelled_per_second,
        overdue_fired_per_second: per_second(plan.overdue(), followed.overdue_us),
        steady_fired_per_second: per_second(plan.steady(), followed.steady_us),
        resident_bytes_per_timer: prepared.full_bytes.saturating_sub(prepared.empty_bytes) as f64
            / plan.pending as f64,
        counted_bytes_per_timer: prepared.counted_bytes as f64 / plan.pending as f64,
        restore_ms,
        restored_from_snapshot,
        restart_to_first_run_ms: (first_us - restarted_us) as f64 / 1e3,
        lateness: Lateness::of(&followed.run),
        visible: Lateness::of(&followed.visible),
        hiccups,
        fired_right: followed.judge.right(),
    })
}

/// Sets, cancels and stops.
fn prepare(flow: &TimerFlow<'_>, plan: &Plan) -> Result<Prepared> {
    let mut empty = flow.start()?;
    flow.until_restored(&mut empty)?;
    std::thread::sleep(MEMORY_SETTLES);
    let (empty_bytes, _) = memory(&mut empty)?;
    empty.stop()?;
    eprintln!("writing what sets {} timers ...", plan.all());
    flow.want_all(plan)?;
    let mut setting = flow.start()?;
    let limit = Duration::from_millis(u64::try_from(plan.stop_ms - now_ms()).unwrap_or(0));
    let set_per_second = rate_until(&mut setting, 0, plan.all(), limit)?;
    eprintln!("set: {set_per_second:.0} a second");
    flow.cancel(plan)?;
    let cancelled_per_second = match plan.cancelled {
        0 => 0.0,
        cancelled => rate_until(&mut setting, plan.all(), plan.all() + cancelled, limit)?,
    };
    if now_ms() > plan.stop_ms - STOP_BEFORE_MS {
        bail!("setting the timers took too long: give it more --prepare-seconds");
    }
    sleep_until(plan.stop_ms - STOP_BEFORE_MS);
    let (full_bytes, counted_bytes) = memory(&mut setting)?;
    setting.stop()?;
    Ok(Prepared { set_per_second, cancelled_per_second, empty_bytes, full_bytes, counted_bytes })
}

/// A run that lost or doubled a timer has no figures.
fn judged(followed: Followed, pending: u64) -> Result<Followed> {
    let judge = &followed.judge;
    let (right, wrong) = (judge.right(), judge.wrong());
    if (right, wrong) != (pending, 0) {
        bail!("of {pending} timers {right} fired as they had to, {wrong} did not: {:#?}", judge.examples());
    }
    Ok(followed)
}

fn per_second(count: u64, span: Option<(i64, i64)>) -> f64 {
    span.map_or(0.0, |(first_us, last_us)| count as f64 * 1e6 / (last_us - first_us).max(1) as f64)
}

/// Waits until the reader has read so many, and a moment longer: nothing more may come.
fn until_all(follower: &Follower, all: u64) -> Result<()> {
    let deadline = Instant::now() + END_WITHIN;
    while follower.seen() < all {
        if Instant::now() > deadline {
            bail!("{END_WITHIN:?} after the last one was due only {} of {all} have fired", follower.seen());
        }
        std::thread::sleep(LOOK);
    }
    std::thread::sleep(MEMORY_SETTLES);
    Ok(())
}
