//! The worker's loop: one turn takes what has come, reads at most one batch, and does what the core asks for.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use thalweg_connectors::kafka::source::KafkaSource;
use thalweg_core::measured::{Latencies, Sizes};
use thalweg_core::operator::Operator;
use thalweg_core::outcome::Outcome;
use thalweg_core::position::PartitionId;
use thalweg_core::sink::{LaneId, Reply};
use thalweg_core::time::Now;
use thalweg_core::worker::{Accounts, Progress, SinkIndex, Worker};

use super::old::Old;
use super::reading::Reading;
use super::rebuild::Rebuilds;
use super::thread::Ending;
use super::wake::Wake;
use crate::clock;
use crate::flow::Connection;
use crate::snapshot::{Board, PartitionSnapshot, RestoreCounts, Snapshot};

/// Time between two polls of the source that nothing has asked for, and between two snapshots of an idle worker.
pub(super) const TICK_MS: u64 = 1_000;
/// Time between two snapshots of a worker that does something: recent enough to tell what is in flight.
pub(super) const SNAPSHOT_MS: u64 = 100;

/// Replies that have come and were not shown to the worker yet.
pub(super) type Replies = Rc<RefCell<Vec<(SinkIndex, LaneId, Reply)>>>;

/// A worker and all that it talks to.
pub(super) struct Driver<O> {
    pub(super) worker: Worker<O>,
    pub(super) source: KafkaSource,
    /// Of the flow's sinks in their order, then of the dead letters.
    pub(super) connections: Vec<Rc<dyn Connection>>,
    pub(super) wake: Arc<Wake>,
    pub(super) board: Board,
    pub(super) replies: Replies,
    pub(super) reading: Reading,
    pub(super) rebuilds: Rebuilds,
    pub(super) counted: Counted,
    pub(super) started_ms: u64,
    /// How many the topic had as the flow began.
    pub(super) partitions: u32,
    pub(super) old: Option<Old>,
    pub(super) stop_deadline_ms: u64,
    pub(super) stopping: bool,
    /// The source is of no use (any more), and owns nothing: another one is to try.
    pub(super) joins_anew: bool,
    /// When the group last gave partitions of ours away.
    pub(super) lost_ms: Option<u64>,
    /// Why the flow must not go on.
    pub(super) failed: Option<Ending>,
    pub(super) ended: Option<Ending>,
    pub(super) next_tick_ms: u64,
    pub(super) next_snapshot_ms: u64,
    /// Something was done that no snapshot shows.
    pub(super) unseen: bool,
}

/// What the driver counts beside the worker.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(super) joined: bool,
    /// What earlier workers of this thread did, whose source failed.
    pub(super) before: Before,
    pub(super) restarts: u64,
    pub(super) rebalances: u64,
    /// Of exactly-once workers.
    pub(super) restores: RestoreCounts,
    pub(super) commits: u64,
    pub(super) commits_failed: u64,
    pub(super) committed_ms: Option<u64>,
    pub(super) first_effect_ms: Option<u64>,
    /// Highest known end of each partition's log, by partition id.
    pub(super) ends: Vec<Option<i64>>,
}

impl Counted {
    pub(super) fn note_end(&mut self, partition: PartitionId, high: i64) {
        if self.ends.len() <= partition.index() {
            self.ends.resize(partition.index() + 1, None);
        }
        self.ends[partition.index()] = Some(high);
    }
}

/// What was counted and measured by workers that are no more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Before {
    pub(super) accounts: Accounts,
    pub(super) latencies: Latencies,
    pub(super) sizes: Sizes,
    /// Timers; of exactly-once workers.
    pub(super) fired: u64,
}

impl Before {
    fn add<O: Operator>(&mut self, worker: &Worker<O>) {
        self.accounts += worker.accounts();
        self.latencies += worker.latencies();
        self.sizes += worker.sizes();
    }
}

impl<O: Operator> Driver<O> {
    /// Runs until the worker has stopped; no ending: another source is to try, with what was counted.
    pub(super) async fn run(mut self) -> (Option<Ending>, Counted, KafkaSource) {
        loop {
            let now = clock::now();
            let read = self.turn(now);
            let ending = self.ended.take();
            if ending.is_some() || self.joins_anew {
                self.publish(now);
                let Self { worker, source, mut counted, .. } = self;
                counted.before.add(&worker);
                counted.restarts += u64::from(ending.is_none());
                if worker.accounts().open() > 0 {
                    // What is open has no outcome and will get none here: it must not be dropped as if it had.
                    std::mem::forget(worker);
                }
                return (ending, counted, source);
            }
            if read {
                // There is more to read; replies get their chance first.
                tokio::task::yield_now().await;
            } else {
                self.rest(now).await;
            }
        }
    }

    /// One turn. Answers whether the next one should follow at once.
    fn turn(&mut self, now: Now) -> bool {
        let tick = now.uptime_ms >= self.next_tick_ms;
        if self.wake.take_source() || tick {
            self.poll_source(now);
            self.reading.woken();
            self.unseen = true;
        }
        if self.wake.must_stop() && !self.stopping {
            self.stop(now);
        }
        self.take_replies(now);
        self.obey(now);
        let read = self.read_one(now);
        if self.worker.wake_at_ms().is_some_and(|due_ms| due_ms <= now.uptime_ms) {
            self.worker.wake(now);
        }
        self.obey(now);
        while let Some(batch) = self.worker.take_spent() {
            self.reading.take_back(batch);
        }
        if tick {
            self.next_tick_ms = now.plus_ms(TICK_MS);
            self.end_of_old(now);
        }
        self.unseen |= read;
        if tick || (self.unseen && now.uptime_ms >= self.next_snapshot_ms) {
            self.unseen = false;
            self.next_snapshot_ms = now.plus_ms(SNAPSHOT_MS);
            self.publish(now);
        }
        read && self.reading.is_ready(|id| self.worker.read_limits(id).is_some())
    }

    fn take_replies(&mut self, now: Now) {
        let replies = std::mem::take(&mut *self.replies.borrow_mut());
        if replies.is_empty() {
            return;
        }
        self.unseen = true;
        for (sink, lane, reply) in replies {
            self.worker.replied(sink, lane, reply, now);
        }
        if self.counted.first_effect_ms.is_none() && self.worker.accounts().of(Outcome::Delivered) > 0 {
            let after_ms = now.uptime_ms.saturating_sub(self.started_ms);
            self.counted.first_effect_ms = Some(after_ms);
            tracing::info!(after_ms, "first effect is durable");
        }
    }

    /// Reads one batch, of the first partition in turn that has something. Answers whether one was read.
    ///
    /// Empty partitions are passed over: to rest after one would leave those behind it unread until the next wake-up,
    /// though they are full.
    fn read_one(&mut self, now: Now) -> bool {
        let worker = &self.worker;
        let Some(batch) = self.reading.read_one(&mut self.source, |id| worker.read_limits(id)) else {
            return false;
        };
        self.rebuilds.read(&batch, now);
        self.worker.batch(batch, now);
        true
    }

    /// Waits for something to happen, or for the time when something is due.
    async fn rest(&self, now: Now) {
        let snapshot_ms = self.unseen.then_some(self.next_snapshot_ms);
        let due_ms =
            [self.worker.wake_at_ms(), snapshot_ms].into_iter().flatten().fold(self.next_tick_ms, u64::min);
        let pause = Duration::from_millis(due_ms.saturating_sub(now.uptime_ms));
        tokio::select! {
            () = self.wake.wait() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    /// Begins to stop: what was read is finished and committed, up to the deadline.
    pub(super) fn stop(&mut self, now: Now) {
        if !self.stopping {
            self.stopping = true;
            self.worker.stop(now, now.plus_ms(self.stop_deadline_ms));
        }
    }

    /// Everything below is finished, or is no record: a partition may end with markers of transactions.
    pub(super) fn done_until(progress: &Progress, read_until: &[(PartitionId, i64)]) -> i64 {
        let all_finished = progress.open == 0 && progress.finished >= progress.read_end;
        let found = read_until.iter().find(|(partition, _)| all_finished && *partition == progress.partition);
        found.map_or(progress.finished, |(_, read_until)| progress.finished.max(*read_until))
    }

    fn publish(&self, now: Now) {
        let read_until = self.source.read_until();
        let partitions = self.worker.progress().filter_map(|progress| {
            let (topic, number) = self.source.partitions().name(progress.partition)?;
            let high = self.counted.ends.get(progress.partition.index()).copied().flatten();
            Some(PartitionSnapshot {
                topic: topic.into(),
                number,
                committed: progress.committed,
                finished: progress.finished,
                done_until: Self::done_until(&progress, &read_until),
                open: progress.open,
                high: high.map(|high| high.max(progress.read_end)),
                state: None,
            })
        });
        let mut all = self.counted.before.clone();
        all.add(&self.worker);
        let snapshot = Snapshot {
            taken_ms: now.uptime_ms,
            joined: self.counted.joined,
            stopping: self.stopping,
            accounts: all.accounts,
            latencies: all.latencies,
            sizes: all.sizes,
            sinks: self.worker.sink_status().collect(),
            partitions: partitions.collect(),
            reserved_bytes: self.worker.reserved_bytes(),
            held_keys: self.worker.held_keys(),
            restarts: self.counted.restarts,
            rebalances: self.counted.rebalances,
            commits: self.counted.commits,
            commits_failed: self.counted.commits_failed,
            committed_ms: self.counted.committed_ms,
            rebuild_ms: self.rebuilds.last_ms(),
            first_effect_ms: self.counted.first_effect_ms,
            timers_fired: None,
            restores: None,
        };
        let mut board = self.board.lock();
        tell_breakers(&board, &snapshot);
        *board = snapshot;
    }
}

/// A breaker that opens or closes is something a person wants to read in the log.
fn tell_breakers(before: &Snapshot, now: &Snapshot) {
    for (sink, status) in &now.sinks {
        let was_closed = before
            .sinks
            .iter()
            .find(|(name, _)| name == sink)
            .is_none_or(|(_, status)| status.breaker_closed);
        match (was_closed, status.breaker_closed) {
            (true, false) => {
                let why = status.last_error.as_ref().map_or("", |reason| reason.message.as_ref());
                tracing::warn!(
                    sink,
                    "the sink is down, its breaker is open; reading goes on until enough waits for it: {why}"
                );
            }
            (false, true) => tracing::info!(sink, "the sink is back, its breaker is closed"),
            _ => {}
        }
    }
}
