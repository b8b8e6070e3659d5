//! The exactly-once worker: reads records, keeps state and timers, and writes records, all of it in transactions.
//!
//! Beside [`crate::worker`], not a mode of it: it has no lanes, no parked keys and no finished offsets above others,
//! because everything that a record causes is committed with it, and a failure takes the whole transaction back. Runs
//! are strictly one after the other, so a key's records and timers have one order.
//!
//! Events come in as calls, commands go out through [`ExactlyOnceWorker::poll`]. While a transaction is being committed, which
//! takes milliseconds, runs go on ahead of its end: they belong to the next one, nothing of them leaves the worker before it
//! is known that the one before is committed, and if it is not they are taken back with it. So what is committed and what is
//! in memory differ by these two at most. While one is aborted, or looked up, nothing is run.

mod assignment;
mod interface;
mod operator;
mod outcome;
mod partition;
mod runs;
mod snapshots;
mod transaction;

use std::collections::VecDeque;

use crate::batch::Batch;
use crate::dead_letter::DeadLetterSink;
use crate::position::{Epoch, PartitionId};
use crate::sabotage::{Conduct, Sound};
use crate::state::Writes;
use crate::time::Now;
use crate::worker::{Accounts, FetchId, PartitionName};
pub use interface::{
    Changes, Command, ExactlyOnceSettings, Outputs, Progress, SnapshotKept, SnapshotPiece, SnapshotSettings,
    TransactionResult,
};
pub use operator::{DueNow, Run, StatefulOperator, TransactionalSink};

use assignment::Assignment;
use partition::{PartitionState, Stage};
use transaction::{Phase, Transaction};

/// See the module's text. `X` is [`Sound`] everywhere but in the simulator.
pub struct ExactlyOnceWorker<O, X = Sound> {
    settings: ExactlyOnceSettings,
    operator: O,
    dead_letters: Box<dyn DeadLetterSink>,
    /// The number of sinks; that of the dead letters too, which come after them.
    sinks: u8,
    /// By partition id; `None` when not assigned, or not positioned yet.
    partitions: Vec<Option<PartitionState>>,
    names: Vec<Option<PartitionName>>,
    next_epoch: u32,
    assignment: Assignment,
    transaction: Transaction,
    /// Batches that the open transaction could not take yet.
    arrived: VecDeque<Batch>,
    outputs: Outputs,
    writes: Writes,
    /// There was nothing more to read.
    idle: bool,
    /// The last transaction ended because of that, or there was nothing to do since: there is no backlog.
    caught_up: bool,
    /// The piece of a snapshot that is being written.
    writing: Option<(PartitionId, Epoch)>,
    /// What to add to uptime for the time that timers go by.
    unix_offset_ms: Option<i64>,
    now: Now,
    accounts: Accounts,
    fired: u64,
    commands: VecDeque<Command>,
    spent: Vec<Batch>,
    rng: fastrand::Rng,
    stopping: Option<u64>,
    /// Nothing goes on: the flow has stopped or failed.
    ended: bool,
    conduct: X,
}

impl<O: StatefulOperator> ExactlyOnceWorker<O> {
    /// A worker with no partitions and `sinks` sinks. `seed` must be another one for each life of a process: it tells
    /// its transactions from those of others.
    pub fn new(
        settings: ExactlyOnceSettings,
        operator: O,
        sinks: u8,
        dead_letters: Box<dyn DeadLetterSink>,
        seed: u64,
    ) -> Self {
        Self::with_conduct(settings, operator, sinks, dead_letters, seed, Sound)
    }
}

impl<O: StatefulOperator, X: Conduct> ExactlyOnceWorker<O, X> {
    /// A worker that may have a bug on purpose; see [`ExactlyOnceWorker::new`].
    pub fn with_conduct(
        settings: ExactlyOnceSettings,
        operator: O,
        sinks: u8,
        dead_letters: Box<dyn DeadLetterSink>,
        seed: u64,
        conduct: X,
    ) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let transaction = Transaction::new(rng.u64(..));
        Self {
            settings,
            operator,
            dead_letters,
            sinks,
            partitions: Vec::new(),
            names: Vec::new(),
            next_epoch: 0,
            assignment: Assignment::default(),
            transaction,
            arrived: VecDeque::new(),
            outputs: Outputs::default(),
            writes: Writes::default(),
            idle: false,
            caught_up: false,
            writing: None,
            unix_offset_ms: None,
            now: Now { uptime_ms: 0, unix_ms: 0 },
            accounts: Accounts::default(),
            fired: 0,
            commands: VecDeque::from([Command::RenewProducer]),
            spent: Vec::new(),
            rng,
            stopping: None,
            ended: false,
            conduct,
        }
    }

    /// The next thing the driver must do.
    pub fn poll(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// A batch that is not needed any more, for the source to fill again.
    pub fn take_spent(&mut self) -> Option<Batch> {
        self.spent.pop()
    }

    /// Time has passed.
    pub fn wake(&mut self, now: Now) {
        self.turn(now);
        self.settle();
    }

    /// Uptime at which [`ExactlyOnceWorker::wake`] must be called at the latest.
    #[must_use]
    pub fn wake_at_ms(&self) -> Option<u64> {
        if self.ended {
            return None;
        }
        let ready = self.transaction.phase == Phase::Ready;
        let partitions = self.partitions.iter().flatten();
        let runs = self.takes_runs() && self.stopping.is_none();
        let timers = partitions.clone().filter(|state| runs && state.runs());
        let timers = timers.filter_map(|state| state.state.next_wake_ms()).map(|ms| self.uptime_of(ms));
        let waiting = partitions.filter(|state| !state.revoked).filter_map(|state| match state.stage {
            Stage::Waiting(due_ms) => Some(due_ms),
            _ => None,
        });
        let commit = (ready && self.transaction.is_open()).then(|| {
            // Until then nothing is handed over either.
            let interval_ms = self.settings.commit_interval_ms;
            let due_ms = self.transaction.open.since_ms.saturating_add(interval_ms);
            if self.is_settled() { due_ms } else { self.transaction.settled_ms }
        });
        // While a transaction ends, its end is what partitions wait for that are to be begun.
        let unasked = self.assignment.ask_at_ms().filter(|_| ready);
        let released = self.assignment.release_at_ms();
        let snapshots = self.snapshots_wake_at_ms();
        timers
            .chain(waiting)
            .chain(commit)
            .chain(unasked)
            .chain(released)
            .chain(snapshots)
            .chain(self.stopping)
            .min()
    }

    /// Stop: run nothing more, commit what was run. Ends with [`Command::Stopped`], at `deadline_ms` (uptime) at the
    /// latest.
    pub fn stop(&mut self, now: Now, deadline_ms: u64) {
        self.turn(now);
        self.stopping = Some(deadline_ms);
        self.settle();
    }

    /// Every event begins here.
    fn turn(&mut self, now: Now) {
        self.now = now;
        // Timers go by the wall clock as it stood when the worker began, and by uptime since: a clock that is stepped
        // later fires nothing early and delays nothing.
        self.unix_offset_ms.get_or_insert(now.unix_ms.saturating_sub_unsigned(now.uptime_ms));
    }

    /// The time that timers go by, in ms since 1970.
    fn timers_now_ms(&self) -> i64 {
        self.unix_offset_ms.unwrap_or(0).saturating_add_unsigned(self.now.uptime_ms)
    }

    /// The uptime at a time that timers go by; 0 for what was before.
    fn uptime_of(&self, timers_ms: i64) -> u64 {
        u64::try_from(timers_ms.saturating_sub(self.unix_offset_ms.unwrap_or(0))).unwrap_or(0)
    }

    /// What follows from the last event.
    fn settle(&mut self) {
        if !self.ended {
            self.start_waiting();
            self.run_arrived();
            self.run_timers();
        }
        // A run may have ended it all.
        if self.ended {
            return;
        }
        self.commit_if_due();
        self.take_snapshot();
        self.ask_changelog_ends();
        self.drain();
        self.ask_positions();
        self.stop_if_done();
    }

    fn stop_if_done(&mut self) {
        let Some(deadline_ms) = self.stopping else { return };
        let clean = self.transaction.has_nothing() && !self.assignment.is_busy();
        if clean || self.now.uptime_ms >= deadline_ms {
            self.ended = true;
            self.commands.push_back(Command::Stopped { clean });
        }
    }

    fn partition_mut(&mut self, partition: PartitionId) -> Option<&mut PartitionState> {
        self.partitions.get_mut(partition.index())?.as_mut()
    }

    /// Where every assigned partition stands.
    pub fn progress(&self) -> impl Iterator<Item = Progress> + '_ {
        self.partitions.iter().enumerate().filter_map(|(index, state)| {
            let state = state.as_ref()?;
            Some(Progress {
                partition: PartitionId(index as u32),
                committed: state.committed,
                next: state.next,
                restoring: matches!(state.stage, Stage::Loading | Stage::Restoring),
                loading: state.stage == Stage::Loading,
                rows: state.state.rows(),
                timers: state.state.timers(),
                state_bytes: state.state.bytes(),
                snapshot: state.snapshots.kept.map(|(complete_ms, bytes)| SnapshotKept {
                    complete_ms: self.uptime_of(complete_ms),
                    bytes,
                }),
            })
        })
    }

    /// How many records ended how; only what is committed counts.
    #[must_use]
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// How many timers fired, and are committed.
    #[must_use]
    pub fn fired(&self) -> u64 {
        self.fired
    }
}

#[cfg(test)]
mod tests;
