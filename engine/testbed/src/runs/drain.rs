//! The end of a load: everything read, done and committed.

use std::time::{Duration, Instant};

use thalweg_testbed::TestbedError;

use super::evidence::committed_lag;
use super::fleet::{Fleet, TICK, Totals};
use super::progress::Progress;
use super::{failed, go_on};

/// A backlog of minutes at twice the rate, and a rebalance.
const LIMIT: Duration = Duration::from_secs(600);
/// A moment at which all is done: looks this far apart must agree.
const CALM: Duration = Duration::from_millis(500);

/// Until everything is done and committed, as the instances and the group's coordinator say; how long that took.
pub(crate) fn drain(
    fleet: &mut Fleet<'_>,
    (kafka, group): (&str, &str),
    partitions: u32,
    progress: &mut Progress,
) -> Result<Duration, TestbedError> {
    let begin = Instant::now();
    loop {
        until_calm(fleet, partitions, progress, begin + LIMIT)?;
        let drained = begin.elapsed();
        // What an instance knows of the end of the log may be a moment old.
        let lag = committed_lag(kafka, group)?;
        if lag == Some(0) {
            return Ok(drained);
        }
        progress.note(&format!("the instances have no lag; by committed offsets it is {lag:?}"));
    }
}

fn until_calm(
    fleet: &mut Fleet<'_>,
    partitions: u32,
    progress: &mut Progress,
    deadline: Instant,
) -> Result<(), TestbedError> {
    let done = Totals { lag: 0, open: 0, partitions: u64::from(partitions) };
    let mut calm_since: Option<Instant> = None;
    while calm_since.is_none_or(|since| since.elapsed() < CALM) {
        go_on()?;
        fleet.look_after()?;
        let totals = fleet.totals();
        calm_since = if totals == Some(done) { calm_since.or_else(|| Some(Instant::now())) } else { None };
        if Instant::now() > deadline {
            return Err(failed("the drain", format!("has not ended after {LIMIT:?}: {totals:?}")));
        }
        progress.show(|| format!("draining: {totals:?}"));
        std::thread::sleep(TICK);
    }
    Ok(())
}
