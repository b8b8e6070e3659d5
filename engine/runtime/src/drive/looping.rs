//! The worker's loop: one turn takes what has come, reads at most one batch, and does what the core asks for.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use thalweg_connectors::kafka::source::KafkaSource;
use thalweg_core::operator::Operator;
use thalweg_core::outcome::Outcome;
use thalweg_core::position::PartitionId;
use thalweg_core::sink::{LaneId, Reply};
use thalweg_core::time::Now;
use thalweg_core::worker::{Progress, SinkIndex, Worker};

use super::counted::{Before, Counted};
use super::membership::Membership;
use super::old::Old;
use super::pace::Pace;
use super::reading::Reading;
use super::rebuild::Rebuilds;
use super::thread::Ending;
use super::wake::Wake;
use crate::clock;
use crate::flow::Connection;
use crate::snapshot::{Board, PartitionSnapshot, Snapshot};

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
    pub(super) membership: Membership,
    /// Why the flow must not go on.
    pub(super) failed: Option<Ending>,
    pub(super) ended: Option<Ending>,
    pub(super) pace: Pace,
}

impl<O: Operator> Driver<O> {
    /// Runs until the worker has stopped; no ending: another source is to try, with what was counted.
    pub(super) async fn run(mut self) -> (Option<Ending>, Counted, KafkaSource) {
        loop {
            let now = clock::now();
            let read = self.turn(now);
            let ending = self.ended.take();
            if ending.is_some() || self.membership.joins_anew {
                self.publish(now);
                let Self { worker, source, mut counted, .. } = self;
                add_life(&mut counted.before, &worker);
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
                self.pace.rest(&self.wake, self.worker.wake_at_ms(), now).await;
            }
        }
    }

    /// One turn. Answers whether the next one should follow at once.
    fn turn(&mut self, now: Now) -> bool {
        let tick = self.pace.ticks(now);
        if self.wake.take_source() || tick {
            self.poll_source(now);
            self.reading.woken();
            self.pace.did(true);
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
            self.end_of_old(now);
        }
        self.pace.did(read);
        if self.pace.shows(tick, now) {
            self.publish(now);
        }
        read && self.reading.is_ready(|id| self.worker.read_limits(id).is_some())
    }

    fn take_replies(&mut self, now: Now) {
        let replies = std::mem::take(&mut *self.replies.borrow_mut());
        if replies.is_empty() {
            return;
        }
        self.pace.did(true);
        for (sink, lane, reply) in replies {
            self.worker.replied(sink, lane, reply, now);
        }
        if self.worker.accounts().of(Outcome::Delivered) > 0 {
            self.counted.note_effect(self.started_ms, now);
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
            let high = self.counted.end(progress.partition);
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
        add_life(&mut all, &self.worker);
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

/// What a worker did in its life counts on after it.
fn add_life<O: Operator>(before: &mut Before, worker: &Worker<O>) {
    before.accounts += worker.accounts();
    before.latencies += worker.latencies();
    before.sizes += worker.sizes();
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
