//! One worker, one thread, one single-threaded runtime.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use thalweg_connectors::kafka::settings::KafkaSettings;
use thalweg_connectors::kafka::topics::Topics;
use tokio::sync::mpsc::UnboundedSender;

use super::counted::Counted;
use super::old::OldPartitions;
use super::wake::Wake;
use super::work::{Life, Place};
use crate::exit::ExitError;
use crate::flow::{Flow, Log};
use crate::letters::LetterCounts;
use crate::memory::MemoryPlan;
use crate::page::latest_letters::LatestLetters;
use crate::settings::EngineSettings;
use crate::snapshot::{Board, Snapshot};

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

/// What every worker of a flow is made of.
pub(crate) struct Plan {
    pub(crate) flow: Flow,
    /// As they are for this flow.
    pub(crate) engine: EngineSettings,
    pub(crate) memory: MemoryPlan,
    /// It has the process for itself: lines of the log need not name it.
    pub(crate) is_alone: bool,
    pub(crate) topics: Arc<Topics>,
    /// The topic as the flow began.
    pub(crate) log: Log,
    /// The changelog as the flow began, if it has one.
    pub(crate) changelog: Option<Log>,
    pub(crate) dead_letter_topic: String,
    pub(crate) started_ms: u64,
    /// Only partitions that were there before are read, and only to their end.
    pub(crate) only_old: Option<OldPartitions>,
    pub(crate) letters: LetterCounts,
    pub(crate) latest_letters: LatestLetters,
}

/// Starts worker `number` of that flow; `ended` hears how it ends.
///
/// # Errors
/// When no thread can be started.
pub(crate) fn start(
    plan: Arc<Plan>,
    number: u16,
    ended: UnboundedSender<(Arc<Plan>, Ending)>,
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
        let _ = ended.send((plan, ending));
    };
    let name = format!("worker-{number}");
    std::thread::Builder::new().name(name).spawn(run).map_err(ExitError::failed)?;
    Ok(thread)
}

fn run(plan: &Plan, number: u16, wake: &Arc<Wake>, board: &Board) -> Result<Ending, ExitError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ExitError::failed)?;
    let local = tokio::task::LocalSet::new();
    let flow = (!plan.is_alone).then(|| tracing::info_span!("flow", name = plan.flow.name));
    let _in_flow = flow.as_ref().map(tracing::Span::enter);
    // One worker needs no number in each line.
    let span = (plan.engine.workers > 1).then(|| tracing::info_span!("worker", number));
    let _entered = span.as_ref().map(tracing::Span::enter);
    let mut counted = Counted::default();
    loop {
        let before = std::mem::take(&mut counted);
        let place = Place { number, wake: Arc::clone(wake), board: Arc::clone(board) };
        let Life { ending, counted: after, source } =
            local.block_on(&runtime, plan.flow.work.live(plan, place, before))?;
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

/// Each worker is a member of its own: with several, a static member's name gets the worker's number.
pub(super) fn member_settings(settings: &KafkaSettings, number: u16, workers: u16) -> KafkaSettings {
    let mut settings = settings.clone();
    if workers > 1 {
        settings.group.instance_id = settings.group.instance_id.map(|name| format!("{name}-{number}"));
    }
    settings
}
