//! Trying a flow's operators and sinks with nothing outside, for a pipeline's own tests: on single records, or, where a
//! flow has state and timers, on many ([`Lasting`]). And its settings file ([`SettingsFile`]).

mod lasting;
mod settings_file;

use thalweg_connectors::kafka::answer::ItemAnswer;
use thalweg_connectors::kafka::dead_letter::DeadLetters;
use thalweg_connectors::kafka::produce::Produce;
use thalweg_core::SinkSettings;
use thalweg_core::batch::Batch;
use thalweg_core::headers::encode_headers;
use thalweg_core::operator::Operator;
use thalweg_core::position::{Epoch, PartitionId};
use thalweg_core::sabotage::Sound;
pub use thalweg_core::sink::{Reply, Request};
use thalweg_core::time::Now;
use thalweg_core::worker::{Command, NamedSink, PartitionName, Positions, ReadFrom, Worker, WorkerSettings};

pub use lasting::Lasting;
pub(crate) use lasting::{Kept, Lasts};
pub use settings_file::{SettingsFile, with_every_key};

use crate::flow::Flow;

/// A record as a test writes it down.
#[derive(Debug, Clone, Default)]
pub struct TrialRecord<'t> {
    /// The key.
    pub key: Option<&'t [u8]>,
    /// The value.
    pub value: Option<&'t [u8]>,
    /// Names and values.
    pub headers: &'t [(&'t str, &'t str)],
    /// In ms since 1970.
    pub timestamp_ms: i64,
}

/// What a flow makes of a record.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// What each sink was sent, in order: the sink's name and the request.
    pub sent: Vec<(&'static str, Request)>,
    /// Reason class and message, when it became a dead letter.
    pub dead_letter: Option<(String, String)>,
    /// How many of the records have their outcome: less than was read when an answer left something open.
    pub ended: u64,
    /// Why the flow would have stopped.
    pub failed: Option<String>,
}

/// When a record is tried.
pub(crate) const UNIX_MS: i64 = 1_700_000_000_000;

const NOW: Now = Now { uptime_ms: 1_000, unix_ms: UNIX_MS };

/// Answers a sink's request; without an answer the record stays open.
pub type Answer<'a> = dyn FnMut(&'static str, &Request) -> Option<Reply> + 'a;

/// Shows one record, at offset 0, to the flow. `answer` is asked for the reply to each request of a sink; without one
/// the record stays open.
pub fn run(
    flow: &Flow,
    record: &TrialRecord<'_>,
    mut answer: impl FnMut(&'static str, &Request) -> Option<Reply>,
) -> Tried {
    flow.work.try_record(flow, record, &mut answer)
}

/// [`run`] for an at-least-once flow with these operators.
pub(crate) fn at_least_once<O: Operator>(
    flow: &Flow,
    operators: O,
    record: &TrialRecord<'_>,
    answer: &mut Answer<'_>,
) -> Tried {
    let mut worker = worker(flow, operators);
    let mut tried = Tried::default();
    let batch = batch(&mut worker, record);
    worker.batch(batch, NOW);
    while let Some(command) = worker.poll() {
        let (sink, lane, request) = match command {
            Command::Send { sink, lane, request } => (sink, lane, request),
            Command::Fail(error) => {
                tried.failed = Some(error.to_string());
                continue;
            }
            _ => continue,
        };
        let reply = match flow.sinks.plans.get(usize::from(sink.0)) {
            Some((name, _)) => {
                let reply = answer(name, &request);
                tried.sent.push((name, request));
                reply
            }
            None => Some(take_letter(&request, &mut tried)),
        };
        if let Some(reply) = reply {
            worker.replied(sink, lane, reply, NOW);
        }
    }
    tried.ended = worker.accounts().outcomes.iter().sum();
    if worker.accounts().open() > 0 {
        // What is open must not be dropped as if it had ended.
        std::mem::forget(worker);
    }
    tried
}

fn worker<O: Operator>(flow: &Flow, operators: O) -> Worker<O> {
    let plans = flow.sinks.plans.iter();
    let sinks: Vec<_> = plans
        .map(|(name, plan)| NamedSink { name, machine: plan.machine(&flow.sinks), settings: plan.settings() })
        .collect();
    let letters = (Box::new(DeadLetters::new("dead-letters")) as Box<_>, SinkSettings::default());
    let settings = WorkerSettings {
        flow: flow.name.to_owned(),
        operator: flow.stage.to_owned(),
        ..WorkerSettings::default()
    };
    Worker::new(settings, operators, sinks, letters, 0, Sound)
}

/// The record in a batch of a partition that the worker was given.
fn batch<O: Operator>(worker: &mut Worker<O>, record: &TrialRecord<'_>) -> Batch {
    let partition = PartitionId(0);
    worker.assigned(vec![(partition, PartitionName { topic: "trial".into(), number: 0 })], NOW);
    let Some(Command::FetchPositions { fetch, .. }) = worker.poll() else {
        unreachable!("the positions of an assigned partition are asked for")
    };
    worker.positioned(fetch, vec![Positions { partition, committed: None, low: 0, high: 0 }], NOW);
    let mut epoch = None;
    while let Some(command) = worker.poll() {
        if let Command::Read(starts) = command {
            epoch = starts.first().map(|ReadFrom { epoch, .. }| *epoch);
        }
    }
    let Some(epoch) = epoch else { unreachable!("an assigned partition with positions is read") };
    batch_of(partition, epoch, 0, record)
}

fn batch_of(partition: PartitionId, epoch: Epoch, offset: i64, record: &TrialRecord<'_>) -> Batch {
    let mut headers = Vec::new();
    let pairs = record.headers.iter().map(|(name, value)| (name.as_bytes(), Some(value.as_bytes())));
    encode_headers(pairs, &mut headers);
    let mut batch = Batch::new(partition, epoch);
    batch.push(offset, record.timestamp_ms, record.key, record.value, &headers);
    batch
}

fn take_letter(request: &Request, tried: &mut Tried) -> Reply {
    let mut rest = request.body.as_slice();
    let mut answers = Vec::new();
    while let Some(letter) = Produce::decode(&mut rest) {
        let text = |name| String::from_utf8_lossy(letter.headers.get(name).unwrap_or_default()).into_owned();
        tried.dead_letter = Some((text("dlq.reason"), text("dlq.message")));
        ItemAnswer::Delivered.encode(&mut answers);
    }
    Reply::Answer { status: 0, body: answers }
}
