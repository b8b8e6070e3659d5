//! The last ten minutes, second by second: what the page draws, and since when things are as they are.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use thalweg_core::time::Now;

use crate::admin::View;
use crate::clock;
use crate::snapshot::Snapshot;
use crate::totals::{Totals, lag, parked_keys};

/// Ten minutes.
const SAMPLES_MAX: usize = 600;

const INTERVAL: Duration = Duration::from_secs(1);

/// One second.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Sample {
    pub(crate) unix_ms: i64,
    pub(crate) in_per_second: f64,
    /// Records that got their outcome, whichever.
    pub(crate) out_per_second: f64,
    /// From the log's timestamp to the durable effect; `None`: nothing was delivered.
    pub(crate) p50_ms: Option<u64>,
    pub(crate) p99_ms: Option<u64>,
    pub(crate) p99_9_ms: Option<u64>,
    /// `None`: not known yet.
    pub(crate) lag_records: Option<u64>,
    pub(crate) parked_keys: usize,
    /// A breaker was not closed.
    pub(crate) sink_down: bool,
}

/// Since when a sink is as it is, by uptime.
#[derive(Debug, Clone, Default)]
pub(crate) struct Since {
    /// Its breaker has not been closed since; `None`: it is closed.
    pub(crate) down_ms: Option<u64>,
    /// Its last error has been this one since.
    pub(crate) error_ms: Option<u64>,
    error: String,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct History {
    samples: VecDeque<Sample>,
    /// How many there have been.
    taken: u64,
    before: Option<Totals>,
    sinks: BTreeMap<&'static str, Since>,
    /// When a record got its outcome for the last time, or none was open.
    progressed_ms: u64,
}

/// The history, written by one task and read by the page.
pub(crate) type SharedHistory = Arc<Mutex<History>>;

/// Looks at the boards once a second, until dropped.
pub(crate) async fn follow(view: View) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let snapshots = view.snapshots();
        view.history.lock().take(&snapshots, clock::now());
    }
}

impl History {
    /// Takes a sample; the first only notes where counting begins.
    pub(crate) fn take(&mut self, snapshots: &[Snapshot], now: Now) {
        self.note_sinks(snapshots, now);
        let after = Totals::of(snapshots, now.uptime_ms);
        let open: u64 = snapshots.iter().map(|snapshot| snapshot.accounts.open()).sum();
        let Some(before) = self.before.take() else {
            self.progressed_ms = now.uptime_ms;
            self.before = Some(after);
            return;
        };
        if after.ended != before.ended || open == 0 {
            self.progressed_ms = now.uptime_ms;
        }
        let [in_per_second, out_per_second] = after.per_second_since(&before);
        let delivered = after.delivered_since(&before);
        let percentile = |quantile| delivered.as_ref().map(|delivered| delivered.value_at_quantile(quantile));
        self.taken += 1;
        self.samples.push_back(Sample {
            unix_ms: now.unix_ms,
            in_per_second,
            out_per_second,
            p50_ms: percentile(0.5),
            p99_ms: percentile(0.99),
            p99_9_ms: percentile(0.999),
            lag_records: lag(snapshots),
            parked_keys: parked_keys(snapshots),
            sink_down: self.sinks.values().any(|since| since.down_ms.is_some()),
        });
        if self.samples.len() > SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.before = Some(after);
    }

    fn note_sinks(&mut self, snapshots: &[Snapshot], now: Now) {
        for (name, since) in &mut self.sinks {
            let is_down =
                |(sink, status): &(&str, thalweg_core::SinkStatus)| sink == name && !status.breaker_closed;
            if !snapshots.iter().flat_map(|snapshot| &snapshot.sinks).any(is_down) {
                since.down_ms = None;
            }
        }
        for (name, status) in snapshots.iter().flat_map(|snapshot| &snapshot.sinks) {
            let since = self.sinks.entry(name).or_default();
            if !status.breaker_closed {
                since.down_ms.get_or_insert(now.uptime_ms);
            }
            if let Some(reason) = status.last_error.as_ref().filter(|reason| reason.message != since.error) {
                since.error_ms = Some(now.uptime_ms);
                since.error = reason.message.clone().into_owned();
            }
        }
    }

    /// The samples from number `first` on, and the number of the first of them.
    pub(crate) fn since(&self, first: u64) -> (u64, Vec<Sample>) {
        let oldest = self.taken - self.samples.len() as u64;
        // A number from the time before a restart means nothing here: all are new then.
        let first = if first > self.taken { oldest } else { first.max(oldest) };
        let passed = usize::try_from(first - oldest).unwrap_or(usize::MAX);
        (first, self.samples.iter().skip(passed).cloned().collect())
    }

    /// The last samples, at most so many, the newest first.
    pub(crate) fn newest(&self, samples: usize) -> impl Iterator<Item = &Sample> {
        self.samples.iter().rev().take(samples)
    }

    pub(crate) fn sink(&self, name: &str) -> Since {
        self.sinks.get(name).cloned().unwrap_or_default()
    }

    /// When a record got its outcome for the last time, or none was open; by uptime.
    pub(crate) fn progressed_ms(&self) -> u64 {
        self.progressed_ms
    }
}

#[cfg(test)]
mod tests {
    use thalweg_core::failure::Reason;
    use thalweg_core::{SinkStatus, outcome::Outcome};

    use super::*;

    fn at(second: u64) -> Now {
        Now { uptime_ms: 1_000 * second, unix_ms: 1_000 * second.cast_signed() }
    }

    fn worker(read: u64, delivered: u64, latencies_ms: &[u64], closed: bool) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.accounts.read = read;
        snapshot.accounts.outcomes[Outcome::Delivered as usize] = delivered;
        for ms in latencies_ms {
            snapshot.latencies.end_to_end_ms.saturating_record(*ms);
        }
        let last_error = (!closed).then(|| Reason::new("elasticsearch_state", "refused"));
        snapshot.sinks =
            vec![("documents", SinkStatus { breaker_closed: closed, last_error, ..SinkStatus::default() })];
        snapshot
    }

    #[test]
    fn a_sample_is_the_difference_of_two_looks_over_all_workers() {
        let mut history = History::default();
        history.take(&[worker(10, 10, &[5; 10], true), worker(5, 5, &[5; 5], true)], at(1));
        assert_eq!(history.since(0), (0, Vec::new()));
        history.take(
            &[worker(30, 20, &[&[5; 10][..], &[9; 10]].concat(), true), worker(5, 5, &[5; 5], true)],
            at(3),
        );
        let (first, samples) = history.since(0);
        assert_eq!((first, samples.len()), (0, 1));
        assert_eq!((samples[0].in_per_second, samples[0].out_per_second), (10.0, 5.0));
        assert_eq!([samples[0].p50_ms, samples[0].p99_9_ms], [Some(9); 2], "what was before does not count");
        history.take(&[worker(30, 20, &[5; 10], true), worker(5, 5, &[5; 5], true)], at(4));
        assert_eq!(history.since(1).1[0].p50_ms, None, "nothing was delivered");
    }

    #[test]
    fn the_ring_is_bounded_and_asked_from_a_number_on() {
        let mut history = History::default();
        for second in 0..=700 {
            history.take(&[Snapshot::default()], at(second));
        }
        let (first, samples) = history.since(0);
        assert_eq!((first, samples.len()), (100, SAMPLES_MAX));
        assert_eq!(history.since(699).1.len(), 1);
        assert_eq!(history.since(700).1.len(), 0);
        assert_eq!(history.since(5_000).1.len(), SAMPLES_MAX, "another process counted that far");
    }

    #[test]
    fn knows_since_when_a_sink_is_down_and_nothing_ends() {
        let mut history = History::default();
        history.take(&[worker(1, 1, &[], true)], at(1));
        history.take(&[worker(5, 1, &[], false)], at(2));
        history.take(&[worker(5, 1, &[], false)], at(3));
        let since = history.sink("documents");
        assert_eq!(
            (since.down_ms, since.error_ms, history.progressed_ms()),
            (Some(2_000), Some(2_000), 1_000)
        );
        assert!(history.newest(1).all(|sample| sample.sink_down));
        history.take(&[worker(5, 5, &[], true)], at(4));
        assert_eq!((history.sink("documents").down_ms, history.progressed_ms()), (None, 4_000));
    }
}
