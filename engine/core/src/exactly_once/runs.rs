//! Records and timers in, one run after the other.

use crate::batch::Batch;
use crate::dead_letter::DeadLetter;
use crate::dedupe::EventId;
use crate::exactly_once::ExactlyOnceWorker;
use crate::exactly_once::interface::Command;
use crate::exactly_once::operator::{DueNow, Run, StatefulOperator};
use crate::exactly_once::partition::PartitionState;
use crate::exactly_once::transaction::Phase;
use crate::failure::Reason;
use crate::operator::Step;
use crate::outcome::Outcome;
use crate::position::PartitionId;
use crate::record::Record;
use crate::sabotage::{Conduct, ExactlyOnceBug};
use crate::state::{RunState, StateError};
use crate::time::Now;
use crate::worker::{FlowError, ReadLimits, SinkIndex};

/// A batch of more would keep a transaction from ending on time.
const BATCH_RECORDS_MAX: usize = 1_000;
const BATCH_BYTES_MAX: usize = 4 << 20;

/// More overdue timers than that, and records get a turn between them.
const TIMERS_A_TURN: usize = 1_000;

/// How early timers fire in a worker with that bug.
const EARLY_MS: i64 = 100;

impl<O: StatefulOperator, X: Conduct> ExactlyOnceWorker<O, X> {
    /// Whether, and how much of, the partition may be read.
    #[must_use]
    pub fn read_limits(&self, partition: PartitionId) -> Option<ReadLimits> {
        let state = self.partitions.get(partition.index())?.as_ref()?;
        if !state.runs() || !self.takes_runs() || self.stopping.is_some() || !self.arrived.is_empty() {
            return None;
        }
        let records = self.settings.transaction_runs_max - self.transaction.runs();
        Some(ReadLimits { records: records.min(BATCH_RECORDS_MAX), bytes: BATCH_BYTES_MAX })
    }

    /// Records that were read. They are run at once, or as soon as the open transaction may take more.
    pub fn batch(&mut self, batch: Batch, now: Now) {
        self.turn(now);
        self.idle = false;
        self.arrived.push_back(batch);
        self.settle();
    }

    /// Nothing more can be read just now: what was run is committed as soon as may be.
    pub fn idle(&mut self, now: Now) {
        self.turn(now);
        // Who may not read does not know what there is.
        self.idle |= self.takes_runs();
        let rests = self.transaction.phase == Phase::Ready && !self.transaction.is_open();
        self.caught_up |= rests && self.arrived.is_empty();
        self.settle();
    }

    pub(super) fn run_arrived(&mut self) {
        while self.takes_runs() && self.stopping.is_none() {
            let Some(batch) = self.arrived.pop_front() else { break };
            let partition = batch.partition();
            for index in 0..batch.len() {
                // A run may have ended all: the rest is read again by who takes over.
                if !self.takes_batch(&batch) {
                    break;
                }
                self.run_record(partition, &batch.record(index));
            }
            self.spent.push(batch);
        }
        self.produce();
    }

    fn takes_batch(&self, batch: &Batch) -> bool {
        let state = self.partitions.get(batch.partition().index()).and_then(Option::as_ref);
        let trusts = self.conduct.breaks(ExactlyOnceBug::TrustBatchOfEndedEpoch);
        !self.ended && state.is_some_and(|state| (state.epoch == batch.epoch() || trusts) && state.runs())
    }

    /// Runs a record, unless it is there only for dedupe to see.
    fn run_record(&mut self, partition: PartitionId, record: &Record<'_>) {
        let header = self.settings.dedupe.as_ref().map(|dedupe| dedupe.header.as_str());
        let Some(state) = self.partitions.get_mut(partition.index()).and_then(Option::as_mut) else { return };
        let seen = header.map(|header| sees(state, header, record));
        let offset = record.position.offset;
        if offset < state.next {
            self.accounts.rewound += 1;
            return;
        }
        self.touch(partition);
        self.transaction.open.accounts.without_event_id += u64::from(seen == Some(None));
        let outcome = match seen {
            Some(Some(true)) => Some(Outcome::Duplicate),
            _ => self.process(partition, record),
        };
        let Some(outcome) = outcome else { return };
        if let Some(state) = self.partition_mut(partition) {
            state.next = offset + 1;
        }
        self.transaction.open.accounts.read += 1;
        self.transaction.open.accounts.outcomes[outcome as usize] += 1;
    }

    /// Answers how the record ended; `None`: the flow can't go on.
    fn process(&mut self, partition: PartitionId, record: &Record<'_>) -> Option<Outcome> {
        let sent = self.outputs.len();
        let step = {
            let state = self.partitions[partition.index()].as_ref()?;
            let key = record.key.unwrap_or_default();
            let state = RunState::new(&state.state, &mut self.writes, key);
            let now_ms = self.unix_offset_ms.unwrap_or(0).saturating_add_unsigned(self.now.uptime_ms);
            self.operator.process(record, &mut Run::new(state, &mut self.outputs, now_ms))
        };
        if let Some(error) = self.writes.take_failure() {
            self.discard(sent);
            self.fail_state(partition, error);
            return None;
        }
        let wrote = !self.writes.is_empty();
        let rejected = match step {
            Step::Forward | Step::Done => match self.apply(partition) {
                Ok(()) if wrote || self.outputs.len() > sent => return Some(Outcome::Delivered),
                Ok(()) => return Some(Outcome::Filtered),
                Err(error @ StateError::RowTooLarge { .. }) => {
                    Reason::new("row_too_large", error.to_string())
                }
                Err(error) => {
                    self.fail_state(partition, error);
                    return None;
                }
            },
            Step::Filtered(_) => {
                self.discard(sent);
                return Some(Outcome::Filtered);
            }
            Step::Rejected(reason) => reason,
        };
        if self.conduct.breaks(ExactlyOnceBug::KeepWritesOfRejected) {
            let _ = self.apply(partition);
        }
        self.discard(sent);
        self.dead_letter(partition, record, &rejected);
        Some(Outcome::DeadLettered)
    }

    /// Runs the timers that are due, in the order of their deadlines within each partition.
    pub(super) fn run_timers(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        let now_ms = self.timers_now_ms();
        let early_ms = if self.conduct.breaks(ExactlyOnceBug::FireEarly) { EARLY_MS } else { 0 };
        for index in 0..self.partitions.len() {
            for _ in 0..TIMERS_A_TURN {
                if !self.takes_runs() {
                    return self.produce();
                }
                let state = self.partitions[index].as_mut().filter(|state| state.runs());
                let Some(due) = state.and_then(|state| state.state.pop_due(now_ms + early_ms)) else { break };
                let partition = PartitionId(index as u32);
                self.touch(partition);
                let due_now = DueNow { timer: due.name.timer(), deadline_ms: due.deadline_ms };
                if let Some(state) = &self.partitions[index] {
                    let state = RunState::new(&state.state, &mut self.writes, due_now.timer.key);
                    self.operator.due(due_now, &mut Run::new(state, &mut self.outputs, now_ms));
                }
                self.transaction.open.fired += 1;
                if let Err(error) = self.apply(partition) {
                    self.fail_state(partition, error);
                }
            }
        }
        self.produce();
    }

    /// Whether timers are left that are due: they had their turn, and get the next one.
    pub(super) fn leaves_timers_due(&self) -> bool {
        let now_ms = self.timers_now_ms();
        let mut running = self.partitions.iter().flatten().filter(|state| state.runs());
        running.any(|state| state.state.next_wake_ms().is_some_and(|wake_ms| wake_ms <= now_ms))
    }

    fn apply(&mut self, partition: PartitionId) -> Result<(), StateError> {
        if let Some(error) = self.writes.take_failure() {
            return Err(error);
        }
        self.transaction.open.bytes += self.writes.size_bytes();
        match self.partitions.get_mut(partition.index()).and_then(Option::as_mut) {
            Some(state) => state.state.apply(&mut self.writes),
            None => Ok(()),
        }
    }

    /// Throws away what a run wrote, and sent beyond the first `sent` outputs.
    fn discard(&mut self, sent: usize) {
        self.outputs.truncate(sent);
        self.writes.clear();
    }

    /// The run that begins is part of the transaction.
    fn touch(&mut self, partition: PartitionId) {
        self.transaction.open.runs += 1;
        let uptime_ms = self.now.uptime_ms;
        let Some(state) = self.partitions.get_mut(partition.index()).and_then(Option::as_mut) else { return };
        if !state.touched {
            state.touched = true;
            self.transaction.open.touch(partition, state.epoch, uptime_ms);
        }
    }

    fn dead_letter(&mut self, partition: PartitionId, record: &Record<'_>, reason: &Reason) {
        let Some(name) = &self.names[partition.index()] else {
            unreachable!("a record is of a named partition")
        };
        let letter = DeadLetter {
            record,
            topic: &name.topic,
            partition_number: name.number,
            flow: &self.settings.flow,
            stage: &self.settings.operator,
            reason,
            attempts: 0,
            first_failure_ms: self.now.unix_ms,
            last_failure_ms: self.now.unix_ms,
        };
        let letters = &self.dead_letters;
        self.outputs.push(SinkIndex(self.sinks), |bytes| letters.encode(&letter, bytes));
    }

    pub(super) fn fail_state(&mut self, partition: PartitionId, error: StateError) {
        if let Some(partition) = self.names[partition.index()].clone() {
            self.fail(FlowError::State { partition, error });
        }
    }

    /// The flow can't go on; what is open is never committed.
    pub(super) fn fail(&mut self, error: FlowError) {
        self.ended = true;
        self.outputs.truncate(0);
        self.commands.push_back(Command::Fail(error));
    }
}

/// Shows the record to dedupe: whether it is a duplicate; `None` when it has no event id.
fn sees(state: &mut PartitionState, header: &str, record: &Record<'_>) -> Option<bool> {
    let event_id = EventId::of(record.headers, header)?;
    state.dedupe.as_mut().map(|dedupe| dedupe.sees(event_id, record.position.offset))
}
