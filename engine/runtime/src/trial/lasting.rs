//! An exactly-once flow that lasts: over many records, deadlines and restarts.

use std::sync::Arc;

use thalweg_connectors::kafka::dead_letter::DeadLetters;
use thalweg_connectors::kafka::sink::PRODUCE;
use thalweg_core::exactly_once::{
    Changes, Command, ExactlyOnceSettings, ExactlyOnceWorker, StatefulOperator, TransactionResult,
};
use thalweg_core::position::{Epoch, PartitionId};
use thalweg_core::retry::RetrySchedule;
use thalweg_core::sink::Request;
use thalweg_core::state::StateLimits;
use thalweg_core::time::Now;
use thalweg_core::worker::{PartitionName, Positions};

use super::{TrialRecord, Tried, batch_of, take_letter};
use crate::flow::{Flow, OutputTopics};

const PARTITION: PartitionId = PartitionId(0);

/// An exactly-once flow over one partition, in memory, with its state and its timers: each record and each step of the
/// clock is a transaction, whose outputs are answered.
pub struct Lasting(Box<dyn Lasts>);

impl Lasting {
    /// Begins with no state at that time, in ms since 1970; `None`: the flow is not exactly once, so that nothing of it
    /// lasts.
    #[must_use]
    pub fn begin(flow: &Flow, unix_ms: i64) -> Option<Self> {
        flow.work.last(flow, unix_ms).map(Self)
    }

    /// Shows the next record to the flow. Its offsets count from 0.
    pub fn record(&mut self, record: &TrialRecord<'_>) -> Tried {
        self.0.record(record)
    }

    /// Time passes until then, in ms since 1970; what is due runs. A time that has passed changes nothing.
    pub fn wait_until(&mut self, unix_ms: i64) -> Tried {
        self.0.wait_until(unix_ms)
    }

    /// The process ends and another one begins: what is in its tables, and what timers it has, comes from the changelog.
    pub fn restart(&mut self) -> Tried {
        self.0.restart()
    }
}

pub(crate) trait Lasts {
    fn record(&mut self, record: &TrialRecord<'_>) -> Tried;
    fn wait_until(&mut self, unix_ms: i64) -> Tried;
    fn restart(&mut self) -> Tried;
}

type Make<O> = Arc<dyn Fn(&OutputTopics) -> O + Send + Sync>;

/// A worker, and what stands for the log and its changelog.
pub(crate) struct Kept<O> {
    names: [&'static str; 2],
    make: Make<O>,
    topics: OutputTopics,
    worker: ExactlyOnceWorker<O>,
    epoch: Epoch,
    next_offset: i64,
    changelog: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    now: Now,
}

impl<O: StatefulOperator> Kept<O> {
    pub(crate) fn begin(flow: &Flow, make: Make<O>, topics: &OutputTopics, unix_ms: i64) -> Self {
        let names = [flow.name, flow.stage];
        let mut kept = Self {
            worker: worker(names, make(topics), topics),
            names,
            make,
            topics: topics.clone(),
            epoch: Epoch(0),
            next_offset: 0,
            changelog: Vec::new(),
            now: Now { uptime_ms: 1_000, unix_ms },
        };
        kept.assign();
        kept
    }

    fn assign(&mut self) -> Tried {
        let name = PartitionName { topic: "trial".into(), number: 0 };
        self.worker.assigned(vec![(PARTITION, name)], self.now);
        self.drive()
    }

    /// Does what the worker asks for, until it asks for nothing more.
    fn drive(&mut self) -> Tried {
        let mut tried = Tried::default();
        let ended: u64 = self.worker.accounts().outcomes.iter().sum();
        while let Some(command) = self.worker.poll() {
            let (worker, now) = (&mut self.worker, self.now);
            match command {
                Command::RenewProducer => worker.producer_ready(now),
                Command::FetchPositions { fetch, .. } => {
                    let (partition, next) = (PARTITION, self.next_offset);
                    // Only positions of another's commit name transactions; here there is one worker at a time.
                    let found = Positions { partition, committed: None, low: next, high: next + 1 };
                    worker.positioned(fetch, vec![found], now);
                }
                Command::Restore { partition, epoch, .. } => {
                    for (key, value) in &self.changelog {
                        let entry = TrialRecord {
                            key: Some(key.as_slice()),
                            value: value.as_deref(),
                            ..TrialRecord::default()
                        };
                        worker.restoring(batch_of(partition, epoch, 0, &entry), now);
                    }
                    worker.restored(partition, epoch, self.changelog.len() as i64, now);
                }
                Command::Read(starts) => self.epoch = starts.first().map_or(self.epoch, |start| start.epoch),
                Command::Produce(outputs) => {
                    for (sink, bytes) in outputs.iter() {
                        let request = Request { operation: PRODUCE, body: bytes.to_vec() };
                        match self.topics.0.get(usize::from(sink.0)) {
                            Some((name, _)) => tried.sent.push((name, request)),
                            None => drop(take_letter(&request, &mut tried)),
                        }
                    }
                }
                Command::Fail(error) => tried.failed = Some(error.to_string()),
                Command::Commit { changes, .. } => {
                    self.keep(&changes);
                    self.worker.ended(TransactionResult::Committed, now);
                }
                _ => {}
            }
        }
        tried.ended = self.worker.accounts().outcomes.iter().sum::<u64>() - ended;
        tried
    }

    fn keep(&mut self, changes: &Changes) {
        let owned = |(_, key, value): (_, &[u8], Option<&[u8]>)| (key.to_vec(), value.map(<[u8]>::to_vec));
        self.changelog.extend(changes.iter().map(owned));
    }
}

impl<O: StatefulOperator> Lasts for Kept<O> {
    fn record(&mut self, record: &TrialRecord<'_>) -> Tried {
        let batch = batch_of(PARTITION, self.epoch, self.next_offset, record);
        self.next_offset += 1;
        self.worker.batch(batch, self.now);
        self.drive()
    }

    fn wait_until(&mut self, unix_ms: i64) -> Tried {
        let passed_ms = unix_ms.saturating_sub(self.now.unix_ms).max(0);
        self.now.unix_ms += passed_ms;
        self.now.uptime_ms += passed_ms.unsigned_abs();
        self.worker.wake(self.now);
        self.drive()
    }

    fn restart(&mut self) -> Tried {
        self.worker = worker(self.names, (self.make)(&self.topics), &self.topics);
        self.assign()
    }
}

fn worker<O: StatefulOperator>(
    [flow, operator]: [&str; 2],
    operators: O,
    topics: &OutputTopics,
) -> ExactlyOnceWorker<O> {
    let settings = ExactlyOnceSettings {
        flow: flow.to_owned(),
        operator: operator.to_owned(),
        commit_interval_ms: 0,
        settle_ms: 0,
        transaction_runs_max: usize::MAX,
        transaction_bytes_max: usize::MAX,
        state: StateLimits { bytes_max: usize::MAX, row_bytes_max: usize::MAX },
        drain_deadline_ms: 0,
        retry: RetrySchedule::default(),
        dedupe: None,
        accept_lost_offsets: false,
        snapshots: None,
    };
    let letters = Box::new(DeadLetters::new("dead-letters"));
    ExactlyOnceWorker::new(settings, operators, topics.0.len() as u8, letters, 0)
}
