//! The reader of what has fired, in a thread of its own: it reads what is committed as it comes, has it judged, and notes
//! how late it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use hdrhistogram::Histogram;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use serde::Serialize;
use thalweg_benches::timed::Fired;

use super::judge::Judge;
use super::plan::Plan;
use crate::reading::whole_topic;

/// How long one look waits for a record.
const LOOK: Duration = Duration::from_millis(50);

/// What is later counts as so late.
const LATEST_US: u64 = 600_000_000;

/// How late, in ms.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Lateness {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) p999_ms: f64,
    pub(super) max_ms: f64,
}

/// What was read.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) judge: Judge,
    /// Of those that were due one after the other: from the deadline to the timer's run.
    pub(super) run: Histogram<u64>,
    /// And until the reader had it.
    pub(super) visible: Histogram<u64>,
    /// Of those that were overdue at the restart: when the first and the last ran, in µs since 1970.
    pub(super) overdue_us: Option<(i64, i64)>,
    /// The same of the others.
    pub(super) steady_us: Option<(i64, i64)>,
}

/// The thread, while it runs.
pub(super) struct Follower {
    stop: Arc<AtomicBool>,
    seen: Arc<AtomicU64>,
    thread: JoinHandle<Result<Followed>>,
}

impl Follower {
    /// Reads the topic from its beginning.
    pub(super) fn start(brokers: &str, topic: &str, partitions: i32, plan: Plan) -> Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("group.id", "thalweg-bench-follower");
        config.set("isolation.level", "read_committed").set("enable.auto.commit", "false");
        config.set("fetch.queue.backoff.ms", "5");
        let reader: BaseConsumer = config.create()?;
        reader.assign(&whole_topic(topic, partitions)?)?;
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (told, count) = (Arc::clone(&stop), Arc::clone(&seen));
        let judge = Judge::new(plan, usize::try_from(partitions)?);
        let thread = std::thread::Builder::new()
            .name("follower".to_owned())
            .spawn(move || follow(&reader, plan, judge, &told, &count))?;
        Ok(Self { stop, seen, thread })
    }

    /// How many it has read so far.
    pub(super) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// Ends it.
    pub(super) fn finish(self) -> Result<Followed> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the reader panicked"))?
    }
}

fn follow(
    reader: &BaseConsumer,
    plan: Plan,
    judge: Judge,
    stop: &AtomicBool,
    seen: &AtomicU64,
) -> Result<Followed> {
    let histogram = || Histogram::new_with_bounds(1, LATEST_US, 3);
    let mut followed =
        Followed { judge, run: histogram()?, visible: histogram()?, overdue_us: None, steady_us: None };
    while !stop.load(Ordering::Relaxed) {
        let Some(message) = reader.poll(LOOK) else { continue };
        let message = message?;
        let fired = message.payload().and_then(Fired::decode);
        followed.judge.see(usize::try_from(message.partition())?, fired);
        if let Some(fired) = fired {
            followed.note(plan, fired);
        }
        seen.fetch_add(1, Ordering::Relaxed);
    }
    Ok(followed)
}

impl Followed {
    fn note(&mut self, plan: Plan, fired: Fired) {
        let steady = fired.number >= plan.overdue();
        let span = if steady { &mut self.steady_us } else { &mut self.overdue_us };
        let (first, last) = span.get_or_insert((fired.ran_us, fired.ran_us));
        (*first, *last) = ((*first).min(fired.ran_us), (*last).max(fired.ran_us));
        if steady {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let now_us = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
            let late = |at_us: i64| u64::try_from(at_us - fired.deadline_ms * 1_000).unwrap_or(0).max(1);
            self.run.saturating_record(late(fired.ran_us));
            self.visible.saturating_record(late(now_us));
        }
    }
}

impl Lateness {
    pub(super) fn of(histogram: &Histogram<u64>) -> Self {
        let ms = |us: u64| us as f64 / 1e3;
        let at = |share: f64| ms(histogram.value_at_quantile(share));
        Self { p50_ms: at(0.5), p99_ms: at(0.99), p999_ms: at(0.999), max_ms: ms(histogram.max()) }
    }
}

impl std::fmt::Display for Lateness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { p50_ms, p99_ms, p999_ms, max_ms } = self;
        write!(f, "p50 {p50_ms:.1} ms, p99 {p99_ms:.1}, p99.9 {p999_ms:.1}, max {max_ms:.1}")
    }
}
