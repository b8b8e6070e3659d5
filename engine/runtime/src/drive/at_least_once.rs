//! At-least-once flows: sinks of any kind, each with lanes of its own.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use thalweg_connectors::kafka::dead_letter::DeadLetters;
use thalweg_connectors::kafka::producer::KafkaProducer;
use thalweg_connectors::kafka::source::KafkaSource;
use thalweg_core::SinkSettings;
use thalweg_core::operator::Operator;
use thalweg_core::pacing::PacingSettings;
use thalweg_core::sabotage::Sound;
use thalweg_core::worker::{NamedSink, Worker, WorkerSettings};

use super::counted::Counted;
use super::looping::Driver;
use super::membership::Membership;
use super::old::Old;
use super::pace::Pace;
use super::reading::Reading;
use super::rebuild::Rebuilds;
use super::thread::{Plan, member_settings};
use super::work::{Life, Living, Place, Work};
use crate::clock;
use crate::exit::ExitError;
use crate::flow::{Flow, Sinks};
use crate::letters::LetterConnection;
use crate::memory::MemoryPlan;
use crate::settings::EngineSettings;
use crate::startup::RECORD_BYTES_MAX;
use crate::trial::{self, Answer, TrialRecord, Tried};

/// The operators of an at-least-once flow.
pub(crate) struct AtLeastOnce<O> {
    /// Makes those of one worker.
    pub(crate) operators: Arc<dyn Fn(&Sinks) -> O + Send + Sync>,
}

impl<O: Operator + 'static> Work for AtLeastOnce<O> {
    fn live<'l>(&'l self, plan: &'l Plan, place: Place, before: Counted) -> Living<'l> {
        Box::pin(async move {
            let operators = (self.operators)(&plan.flow.sinks);
            let (ending, counted, source) = driver(plan, operators, place, before)?.run().await;
            Ok(Life { ending, counted, source })
        })
    }

    fn try_record(&self, flow: &Flow, record: &TrialRecord<'_>, answer: &mut Answer<'_>) -> Tried {
        trial::at_least_once(flow, (self.operators)(&flow.sinks), record, answer)
    }
}

fn driver<O: Operator>(
    plan: &Plan,
    operators: O,
    Place { number, wake, board }: Place,
    counted: Counted,
) -> Result<Driver<O>, ExitError> {
    let Plan { flow, engine, memory, dead_letter_topic, started_ms, .. } = plan;
    let mut connections = Vec::new();
    let mut sinks = Vec::new();
    for (name, sink) in &flow.sinks.plans {
        connections.push(sink.connect()?);
        sinks.push(NamedSink { name, machine: sink.machine(&flow.sinks), settings: sink.settings() });
    }
    let producer =
        KafkaProducer::connect(&flow.source.settings, RECORD_BYTES_MAX).map_err(ExitError::failed)?;
    connections.push(Rc::new(LetterConnection {
        producer,
        counts: Arc::clone(&plan.letters),
        latest: plan.latest_letters.clone(),
    }));
    let letters = (Box::new(DeadLetters::new(dead_letter_topic.as_str())) as Box<_>, letter_settings());
    let seed = fastrand::u64(..);
    let worker = Worker::new(worker_settings(flow, engine, *memory), operators, sinks, letters, seed, Sound);
    let on_source = Arc::clone(&wake);
    let mut settings = member_settings(&flow.source.settings, number, engine.workers);
    settings.read.prefetch_kilobytes_per_partition = memory.read_ahead_kilobytes;
    let source = KafkaSource::connect(&settings, &[&flow.source.topic], Arc::new(move || on_source.source()))
        .map_err(ExitError::failed)?;
    Ok(Driver {
        worker,
        source,
        connections,
        wake,
        board,
        replies: Rc::new(RefCell::new(Vec::new())),
        reading: Reading::default(),
        rebuilds: Rebuilds::default(),
        counted,
        started_ms: *started_ms,
        partitions: plan.log.partitions,
        old: plan.only_old.map(Old::new),
        stop_deadline_ms: engine.stop_deadline_ms,
        stopping: false,
        membership: Membership::default(),
        failed: None,
        ended: None,
        pace: Pace::new(clock::now()),
    })
}

fn worker_settings(flow: &Flow, engine: &EngineSettings, memory: MemoryPlan) -> WorkerSettings {
    WorkerSettings {
        flow: flow.name.to_owned(),
        operator: flow.stage.to_owned(),
        commit_interval_ms: engine.commit_interval_ms,
        drain_deadline_ms: engine.revoke_deadline_ms,
        budget_bytes: memory.worker_bytes,
        partition_bytes: memory.partition_bytes,
        open_records_max: engine.open_records_max as usize,
        dedupe: flow.dedupe.as_ref().map(|dedupe| dedupe.0.clone()),
        accept_lost_offsets: engine.accept_lost_offsets,
    }
}

/// Dead letters are rare, and their client keeps the order: one lane, small flights.
fn letter_settings() -> SinkSettings {
    let pacing = PacingSettings { flights_max: 1, items_max: 500, bytes_max: 4 << 20 };
    SinkSettings { lanes: 1, pacing, attempts_max: None, ..SinkSettings::default() }
}
