//! How the flows are going, in one line: live where there is a terminal, in the log elsewhere.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use indicatif::HumanCount;
use thalweg_core::measured::LATENCY_MAX_MS;

use crate::admin::{View, Views};
use crate::snapshot::{Snapshot, breaker_state};
use crate::totals::{Totals, lag, parked_keys};
use crate::{clock, terminal};

/// Often enough to look alive, seldom enough to be read.
const REDRAW: Duration = Duration::from_millis(500);

/// Rates and latencies are those of the last five seconds: calm, and still recent.
const MOMENTS_MAX: usize = 10;

/// Between two log lines.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// What is told when no breaker is open.
const ALL_CLOSED: &str = "closed";

/// Shows it until dropped.
pub(crate) async fn follow(views: Views) {
    if terminal::begin_line() { live(&views).await } else { log(&views).await }
}

/// All flows in one line.
async fn live(views: &Views) {
    let mut ticks = tokio::time::interval(REDRAW);
    let mut moments = VecDeque::new();
    loop {
        ticks.tick().await;
        let snapshots: Vec<_> = views.iter().flat_map(View::snapshots).collect();
        let now = Moment::of(&snapshots, clock::now().uptime_ms);
        let going = Going::between(moments.front().unwrap_or(&now), &now);
        terminal::set_line(going.line());
        moments.push_back(now);
        if moments.len() > MOMENTS_MAX {
            moments.pop_front();
        }
    }
}

/// A line for each flow, which names it where there are several.
async fn log(views: &Views) {
    let look = |view: &View| Moment::of(&view.snapshots(), clock::now().uptime_ms);
    let mut before: Vec<_> = views.iter().map(look).collect();
    loop {
        tokio::time::sleep(LOG_INTERVAL).await;
        for (view, before) in views.iter().zip(&mut before) {
            let flow = (views.len() > 1).then_some(view.flow);
            let now = look(view);
            let Going { in_per_second, out_per_second, p99_ms, lag, in_flight, parked, breakers } =
                Going::between(before, &now);
            tracing::info!(
                flow,
                in_per_second,
                out_per_second,
                p99_ms,
                lag,
                in_flight,
                parked,
                breakers,
                "progress"
            );
            *before = now;
        }
    }
}

/// All workers at one time.
#[derive(Debug)]
struct Moment {
    totals: Totals,
    lag: Option<u64>,
    in_flight: u64,
    parked: usize,
    breakers: String,
}

impl Moment {
    fn of(snapshots: &[Snapshot], uptime_ms: u64) -> Self {
        let sinks = || snapshots.iter().flat_map(|snapshot| &snapshot.sinks);
        Self {
            totals: Totals::of(snapshots, uptime_ms),
            lag: lag(snapshots),
            in_flight: snapshots.iter().map(|snapshot| snapshot.accounts.open()).sum(),
            parked: parked_keys(snapshots),
            breakers: breakers(sinks().map(|(name, sink)| (*name, breaker_state(sink)))),
        }
    }
}

/// The sinks whose breaker is not closed, with its state; a sink is down when one worker says so.
fn breakers<'s>(sinks: impl Iterator<Item = (&'s str, &'s str)>) -> String {
    let not_closed: BTreeMap<_, _> = sinks.filter(|(_, state)| *state != "closed").collect();
    if not_closed.is_empty() {
        return ALL_CLOSED.to_owned();
    }
    not_closed.iter().map(|(name, state)| format!("{name} {state}")).collect::<Vec<_>>().join(", ")
}

/// What is told.
#[derive(Debug, PartialEq)]
struct Going {
    in_per_second: u64,
    /// Records that got their outcome, whichever.
    out_per_second: u64,
    /// End to end, of what was delivered between the two moments; `None`: nothing.
    p99_ms: Option<u64>,
    /// `None`: not known yet.
    lag: Option<u64>,
    in_flight: u64,
    parked: usize,
    breakers: String,
}

impl Going {
    fn between(before: &Moment, now: &Moment) -> Self {
        let [in_per_second, out_per_second] = now.totals.per_second_since(&before.totals);
        let delivered = now.totals.delivered_since(&before.totals);
        Self {
            in_per_second: in_per_second as u64,
            out_per_second: out_per_second as u64,
            p99_ms: delivered.map(|delivered| delivered.value_at_quantile(0.99)),
            lag: now.lag,
            in_flight: now.in_flight,
            parked: now.parked,
            breakers: now.breakers.clone(),
        }
    }

    /// What matters most first: a narrow terminal cuts the end off.
    fn line(&self) -> String {
        let (down, well) = match self.breakers.as_str() {
            ALL_CLOSED => (String::new(), "  breakers closed"),
            down => (format!("{down}!  "), ""),
        };
        format!(
            "{down}in {}/s  out {}/s  p99 {}  lag {}  parked {}  in flight {}{well}",
            HumanCount(self.in_per_second),
            HumanCount(self.out_per_second),
            self.p99_ms.map_or("-".to_owned(), milliseconds),
            self.lag.map_or("-".to_owned(), |lag| HumanCount(lag).to_string()),
            self.parked,
            HumanCount(self.in_flight),
        )
    }
}

/// A latency, for people.
pub(crate) fn milliseconds(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{ms} ms"),
        10_000..LATENCY_MAX_MS => format!("{:.1} s", ms as f64 / 1e3),
        _ => "1 h or more".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::PartitionSnapshot;
    use thalweg_core::SinkStatus;

    fn worker(read: u64, delivered: u64, latencies_ms: &[(u64, u64)]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.accounts.read = read;
        snapshot.accounts.outcomes[3] = delivered;
        for (ms, times) in latencies_ms {
            snapshot.latencies.end_to_end_ms.record_n(*ms, *times).unwrap();
        }
        snapshot
    }

    #[test]
    fn rates_and_latencies_are_those_between_the_moments() {
        let before = Moment::of(&[worker(1_000, 900, &[(5_000, 900)]), worker(0, 0, &[])], 10_000);
        let mut now = [worker(6_000, 5_900, &[(5_000, 900), (4, 5_000)]), worker(500, 500, &[(9, 500)])];
        let parked = SinkStatus { parked_keys: 3, breaker_closed: false, ..SinkStatus::default() };
        let closed = SinkStatus { breaker_closed: true, ..SinkStatus::default() };
        now[0].sinks = vec![("documents", closed.clone()), ("dead_letters", closed)];
        (now[1].sinks, now[1].held_keys) = (vec![("documents", parked)], 2);
        let partition = |high, finished| PartitionSnapshot {
            topic: "t".into(),
            number: 0,
            committed: 0,
            finished,
            done_until: finished,
            open: 0,
            high,
            state: None,
        };
        now[0].partitions = vec![partition(Some(1_500), 250), partition(None, 7)];
        let going = Going::between(&before, &Moment::of(&now, 15_000));
        assert_eq!(
            going.line(),
            "documents open!  in 1,100/s  out 1,100/s  p99 9 ms  lag 1,250  parked 5  in flight 100"
        );
    }

    #[test]
    fn what_is_not_known_is_not_made_up() {
        let nothing = Moment::of(&[Snapshot::default()], 5);
        let going = Going::between(&nothing, &nothing);
        assert_eq!(going.line(), "in 0/s  out 0/s  p99 -  lag -  parked 0  in flight 0  breakers closed");
        assert_eq!([9_999, 10_000, LATENCY_MAX_MS].map(milliseconds), ["9999 ms", "10.0 s", "1 h or more"]);
    }
}
