//! The worker's loop: one turn takes what has come, reads at most one batch, and does what the core asks for.

use std::sync::Arc;

use thalweg_connectors::kafka::changelog::Changelogs;
use thalweg_connectors::kafka::source::KafkaSource;
use thalweg_connectors::kafka::transactor::{Transactor, TransactorSettings};
use thalweg_core::exactly_once::{ExactlyOnceWorker, StatefulOperator};
use thalweg_core::time::Now;

use super::super::counted::Counted;
use super::super::membership::Membership;
use super::super::pace::Pace;
use super::super::reading::Reading;
use super::super::rebuild::Rebuilds;
use super::super::thread::Ending;
use super::super::wake::Wake;
use super::local::Local;
use super::transaction::OpenTransaction;
use crate::clock;
use crate::letters::LetterCounts;
use crate::page::latest_letters::LatestLetters;
use crate::snapshot::Board;

/// Batches of changelogs, or pieces of snapshots, taken in one turn: restoring must not keep the worker from its other
/// partitions.
pub(super) const RESTORED_A_TURN: usize = 8;

/// A worker and all that it talks to.
pub(super) struct Driver<O> {
    pub(super) worker: ExactlyOnceWorker<O>,
    pub(super) source: KafkaSource,
    pub(super) transactor: Transactor,
    pub(super) transactor_settings: TransactorSettings,
    pub(super) changelogs: Changelogs,
    pub(super) local: Local,
    pub(super) wake: Arc<Wake>,
    pub(super) board: Board,
    pub(super) reading: Reading,
    pub(super) rebuilds: Rebuilds,
    pub(super) transaction: OpenTransaction,
    /// The flow's topics, and how many records were committed to each.
    pub(super) outputs: Vec<(&'static str, u64)>,
    pub(super) letters: (LetterCounts, LatestLetters),
    pub(super) counted: Counted,
    pub(super) started_ms: u64,
    /// How many the topic had as the flow began.
    pub(super) partitions: u32,
    pub(super) stop_deadline_ms: u64,
    pub(super) stopping: bool,
    pub(super) membership: Membership,
    /// Why the flow must not go on.
    pub(super) failed: Option<Ending>,
    pub(super) ended: Option<Ending>,
    pub(super) pace: Pace,
}

impl<O: StatefulOperator> Driver<O> {
    /// Runs until the worker has stopped; no ending: another source is to try, with what was counted.
    pub(super) async fn run(mut self) -> (Option<Ending>, Counted, KafkaSource) {
        loop {
            let now = clock::now();
            let more = self.turn(now);
            let ending = self.ended.take();
            if ending.is_some() || self.membership.joins_anew {
                self.publish(now);
                self.count_life();
                self.counted.restarts += u64::from(ending.is_none());
                return (ending, self.counted, self.source);
            }
            if more {
                // There is more to do; timers and signals get their chance first.
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
        self.obey(now);
        self.take_transactor_events(now);
        let restored = self.restore(now);
        let read = self.read_one(now);
        if !read {
            self.worker.idle(now);
        }
        if self.worker.wake_at_ms().is_some_and(|due_ms| due_ms <= now.uptime_ms) {
            self.worker.wake(now);
        }
        self.obey(now);
        while let Some(batch) = self.worker.take_spent() {
            self.reading.take_back(batch);
        }
        if tick {
            self.replace_silent_transactor(now);
        }
        self.pace.did(read || restored);
        if self.pace.shows(tick, now) {
            self.publish(now);
        }
        // A commit that was only just asked for may allow what nothing was read for above.
        restored || self.reading.is_ready(|id| self.worker.read_limits(id).is_some())
    }

    /// Reads one batch, of the first partition in turn that has something. Answers whether one was read.
    fn read_one(&mut self, now: Now) -> bool {
        let worker = &self.worker;
        let Some(batch) = self.reading.read_one(&mut self.source, |id| worker.read_limits(id)) else {
            return false;
        };
        self.rebuilds.read(&batch, now);
        self.transaction.read(&batch, now);
        self.worker.batch(batch, now);
        true
    }

    /// Begins to stop: what was run is committed, up to the deadline.
    pub(super) fn stop(&mut self, now: Now) {
        if !self.stopping {
            self.stopping = true;
            self.worker.stop(now, now.plus_ms(self.stop_deadline_ms));
        }
    }
}
