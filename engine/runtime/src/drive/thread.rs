//! One worker, one thread, one single-threaded runtime.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use thalweg_connectors::kafka::dead_letter::DeadLetters;
use thalweg_connectors::kafka::producer::KafkaProducer;
use thalweg_connectors::kafka::settings::KafkaSettings;
use thalweg_connectors::kafka::source::KafkaSource;
use thalweg_connectors::kafka::topics::Topics;
use thalweg_core::SinkSettings;
use thalweg_core::operator::Operator;
use thalweg_core::pacing::PacingSettings;
use thalweg_core::sabotage::Sound;
use thalweg_core::worker::{NamedSink, Worker, WorkerSettings};
use tokio::sync::mpsc::UnboundedSender;

use super::looping::{Counted, Driver};
use super::old::{Old, OldPartitions};
use super::reading::Reading;
use super::rebuild::Rebuilds;
use super::wake::Wake;
use crate::clock;
use crate::exit::ExitError;
use crate::flow::{Flow, Log};
use crate::letters::{LetterConnection, LetterCounts};
use crate::memory::MemoryPlan;
use crate::page::latest_letters::LatestLetters;
use crate::settings::EngineSettings;
use crate::snapshot::{Board, Snapshot};
use crate::startup::RECORD_BYTES_MAX;

/// How long closing a consumer may take: leaving the group is one request.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Time between two attempts to join a group in which a killed predecessor still has our instance id.
const JOIN_PAUSE: Duration = Duration::from_millis(500);

/// How a worker ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// It was stopped.
    Stopped {
        /// Everything read was finished and committed.
        clean: bool,
        /// If not: what it waited for.
        stuck: Vec<String>,
    },
    /// The flow must not go on.
    Failed(String),
    /// It was given a partition that was not there when the flow began.
    TopicGrew,
}

/// A running worker, seen from outside.
pub(crate) struct WorkerThread {
    pub(crate) wake: Arc<Wake>,
    pub(crate) board: Board,
}

/// What every worker of a process is made of.
pub(crate) struct Plan<O> {
    pub(crate) flow: Flow<O>,
    pub(crate) engine: EngineSettings,
    pub(crate) topics: Arc<Topics>,
    /// The topic as the flow began.
    pub(crate) log: Log,
    pub(crate) dead_letter_topic: String,
    pub(crate) started_ms: u64,
    /// Only partitions that were there before are read, and only to their end.
    pub(crate) only_old: Option<OldPartitions>,
    pub(crate) letters: LetterCounts,
    pub(crate) latest_letters: LatestLetters,
}

/// Starts worker `number`; `ended` hears how it ends.
///
/// # Errors
/// When no thread can be started.
pub(crate) fn start<O: Operator + 'static>(
    plan: Arc<Plan<O>>,
    number: u16,
    ended: UnboundedSender<(u16, Ending)>,
) -> Result<WorkerThread, ExitError> {
    let wake = Arc::new(Wake::default());
    let board: Board = Arc::new(Mutex::new(Snapshot::default()));
    let thread = WorkerThread { wake: Arc::clone(&wake), board: Arc::clone(&board) };
    let run = move || {
        // A panic is told too: whoever waits must not wait for ever.
        let run = std::panic::AssertUnwindSafe(|| run(&plan, number, &wake, &board));
        let ending = match std::panic::catch_unwind(run) {
            Ok(Ok(ending)) => ending,
            Ok(Err(error)) => Ending::Failed(error.to_string()),
            Err(_) => Ending::Failed(format!("worker {number} panicked: this is a bug, see above")),
        };
        // Nobody listens when the process ends at once.
        let _ = ended.send((number, ending));
    };
    let name = format!("worker-{number}");
    std::thread::Builder::new().name(name).spawn(run).map_err(ExitError::failed)?;
    Ok(thread)
}

fn run<O: Operator>(
    plan: &Plan<O>,
    number: u16,
    wake: &Arc<Wake>,
    board: &Board,
) -> Result<Ending, ExitError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ExitError::failed)?;
    let local = tokio::task::LocalSet::new();
    // One worker needs no number in each line.
    let span = (plan.engine.workers > 1).then(|| tracing::info_span!("worker", number));
    let _entered = span.as_ref().map(tracing::Span::enter);
    let mut counted = Counted::default();
    loop {
        let before = std::mem::take(&mut counted);
        let (ending, after, source) = local.block_on(&runtime, async {
            let driver = driver(plan, number, (Arc::clone(wake), Arc::clone(board)), before)?;
            Ok::<_, ExitError>(driver.run().await)
        })?;
        counted = after;
        if !source.close(true).wait(CLOSE_TIMEOUT) {
            tracing::warn!(
                "the consumer did not close in time; the group will miss it after the session timeout"
            );
        }
        match ending {
            Some(ending) => return Ok(ending),
            None if wake.must_stop() => return Ok(Ending::Stopped { clean: true, stuck: Vec::new() }),
            None => std::thread::sleep(JOIN_PAUSE),
        }
    }
}

fn driver<O: Operator>(
    plan: &Plan<O>,
    number: u16,
    (wake, board): (Arc<Wake>, Board),
    counted: Counted,
) -> Result<Driver<O>, ExitError> {
    let Plan { flow, engine, dead_letter_topic, started_ms, .. } = plan;
    let memory = MemoryPlan::of(flow, engine, plan.log.partitions);
    let mut connections = Vec::new();
    let mut sinks = Vec::new();
    for (name, sink) in &flow.sinks.plans {
        connections.push(sink.connect()?);
        sinks.push(NamedSink { name, machine: sink.machine(), settings: sink.settings() });
    }
    let producer =
        KafkaProducer::connect(&flow.source.settings, RECORD_BYTES_MAX).map_err(ExitError::failed)?;
    connections.push(Rc::new(LetterConnection {
        producer,
        counts: Arc::clone(&plan.letters),
        latest: plan.latest_letters.clone(),
    }));
    let letters = (Box::new(DeadLetters::new(dead_letter_topic.as_str())) as Box<_>, letter_settings());
    let operator = (flow.operators)(&flow.sinks);
    let seed = fastrand::u64(..);
    let worker = Worker::new(worker_settings(flow, engine, memory), operator, sinks, letters, seed, Sound);
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
        joins_anew: false,
        lost_ms: None,
        failed: None,
        ended: None,
        next_tick_ms: clock::now().uptime_ms,
        next_snapshot_ms: 0,
        unseen: true,
    })
}

fn worker_settings<O>(flow: &Flow<O>, engine: &EngineSettings, memory: MemoryPlan) -> WorkerSettings {
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

/// Each worker is a member of its own: with several, a static member's name gets the worker's number.
fn member_settings(settings: &KafkaSettings, number: u16, workers: u16) -> KafkaSettings {
    let mut settings = settings.clone();
    if workers > 1 {
        settings.group.instance_id = settings.group.instance_id.map(|name| format!("{name}-{number}"));
    }
    settings
}

/// Dead letters are rare, and their client keeps the order: one lane, small flights.
fn letter_settings() -> SinkSettings {
    let pacing = PacingSettings { flights_max: 1, items_max: 500, bytes_max: 4 << 20 };
    SinkSettings { lanes: 1, pacing, attempts_max: None, ..SinkSettings::default() }
}
