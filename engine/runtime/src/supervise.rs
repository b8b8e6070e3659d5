//! The process: starts the workers of all flows, listens to signals, and waits for the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::admin::{View, Views};
use crate::command_line::Shown;
use crate::commands::Gateway;
use crate::demo::Requests;
use crate::drive::{self, Ending, Plan, WorkerThread};
use crate::ending::Endings;
use crate::exit::{ExitError, UNFINISHED};
use crate::log_ends::LogEnds;
use crate::page::history;
use crate::report::{self, Report};
use crate::settings::EngineSettings;
use crate::snapshot::Board;
use crate::tryout::Stage;
use crate::{admin, log_ends, progress, terminal, topic_watch};

/// Beyond the workers' own deadline: what closing consumers may take.
const CLOSE_MS: u64 = 15_000;

/// How a worker of that flow ended.
type Ended = (Arc<Plan>, Ending);

/// Runs the flows until they are stopped or one fails. Prints a report of each.
pub(crate) async fn supervise(
    plans: Vec<Arc<Plan>>,
    engine: &EngineSettings,
    shown: Shown,
    stage: Option<Stage>,
) -> Result<(), ExitError> {
    let mut interrupts = signal(SignalKind::interrupt()).map_err(ExitError::failed)?;
    let mut terminations = signal(SignalKind::terminate()).map_err(ExitError::failed)?;
    let listener = match engine.admin_address() {
        Some(address) => Some(admin::bind(address).await?),
        None => None,
    };
    let began = Instant::now();
    let (tell, mut endings) = unbounded_channel();
    let (mut workers, mut views, mut gateways) = (Vec::new(), Vec::new(), Vec::new());
    let mut side_tasks = JoinSet::new();
    for plan in &plans {
        let commands = plan.flow.commands.as_ref();
        let gateway =
            commands.map(|commands| Gateway::start(commands, &plan.flow.source, &plan.topics)).transpose()?;
        let of_flow = start(plan, &tell)?;
        let boards: Vec<Board> = of_flow.iter().map(|worker| Arc::clone(&worker.board)).collect();
        let counts = gateway.as_ref().map(|gateway| Arc::clone(&gateway.counts));
        let shown = gateway.iter().flat_map(|gateway| gateway.views.clone()).collect();
        let view = View { commands: counts, shown, ..View::new(plan, boards, LogEnds::default())? };
        attend(plan, &view, &mut side_tasks);
        workers.extend(of_flow);
        views.push(view);
        gateways.extend(gateway);
    }
    drop(tell);
    let views: Views = views.into();
    let requests: Requests = gateways.iter().map(|gateway| gateway.place.clone()).collect();
    if shown.progress {
        side_tasks.spawn(progress::follow(Arc::clone(&views)));
    }
    if let Some(listener) = listener {
        let page = stage.as_ref().and_then(Stage::page);
        side_tasks.spawn(admin::serve(listener, Arc::clone(&views), page));
    }
    let why_stopped = {
        let mut changes = watches(&plans);
        tokio::select! {
            first = endings.recv() => Stop::Worker(first),
            Some(Ok((plan, changed))) = changes.join_next() => Stop::Topic(plan, changed),
            () = either(&mut interrupts, &mut terminations) => Stop::Asked,
            () = played(stage.as_ref(), &views, &requests) => Stop::Over,
        }
    };
    let patience = Duration::from_millis(engine.stop_deadline_ms + CLOSE_MS);
    let signals = (&mut interrupts, &mut terminations);
    let outcome = drain(patience, (gateways, &workers), &mut endings, why_stopped, signals).await;
    side_tasks.shutdown().await;
    terminal::end_line();
    let seconds = began.elapsed().as_secs_f64();
    let mut reports: Vec<_> =
        views.iter().map(|view| Report::of(view.flow, &view.snapshots(), seconds)).collect();
    let told = match (stage, reports.first_mut()) {
        (Some(stage), Some(report)) => stage.end(report).await,
        _ => Ok(None),
    };
    reports.iter().for_each(|report| report.print(shown.report));
    outcome.and(told.and_then(|told| told.map_or(Ok(()), |told| report::last_words(told, shown.report))))
}

/// Starts the workers of a flow.
fn start(plan: &Arc<Plan>, tell: &UnboundedSender<Ended>) -> Result<Vec<WorkerThread>, ExitError> {
    tracing::info!(
        topic = plan.log.topic,
        partitions = plan.log.partitions,
        group = plan.flow.source.settings.group.id,
        dead_letters = plan.dead_letter_topic,
        workers = plan.engine.workers,
        "{} starts",
        plan.flow.name
    );
    (0..plan.engine.workers).map(|number| drive::start(Arc::clone(plan), number, tell.clone())).collect()
}

/// Starts what goes on beside the workers of a flow.
fn attend(plan: &Arc<Plan>, view: &View, side_tasks: &mut JoinSet<()>) {
    side_tasks.spawn(history::follow(view.clone()));
    let ends = Arc::clone(&view.ends);
    side_tasks.spawn(log_ends::follow(Arc::clone(&plan.topics), plan.log.clone(), ends));
    for (_, sink) in &plan.flow.sinks.plans {
        if let Some(interval_ms) = sink.upkeep_interval_ms() {
            let sink = Arc::clone(sink);
            side_tasks.spawn_local(async move { upkeep(&*sink, interval_ms).await });
        }
    }
}

/// Looks at the topics of all flows; each look ends when something has changed.
fn watches(plans: &[Arc<Plan>]) -> JoinSet<(Arc<Plan>, ExitError)> {
    let mut watches = JoinSet::new();
    for plan in plans {
        let plan = Arc::clone(plan);
        watches.spawn_local(async move {
            let changed = topic_watch::until_changed(&plan).await;
            (plan, changed)
        });
    }
    watches
}

/// Plays what there is to play, measuring what the engine uses meanwhile; without a stage: never ends.
async fn played(stage: Option<&Stage>, views: &Views, requests: &Requests) {
    let Some(stage) = stage else { return std::future::pending().await };
    tokio::select! {
        () = stage.play(views, requests) => {}
        () = stage.measure() => {}
    }
}

/// Runs the one worker that reads the old partitions to their end; ends by itself, or when it is interrupted.
pub(crate) async fn drain_old(plan: Arc<Plan>) -> Result<(), ExitError> {
    let (tell, mut endings) = unbounded_channel();
    // Kept: dropping it would not stop the worker, but nobody else has its handle.
    let _worker = drive::start(plan, 0, tell)?;
    let mut ended = Endings::default();
    match endings.recv().await {
        Some((plan, ending)) => ended.note(&plan, ending),
        None => ended.silent(),
    }
    ended.outcome().await
}

/// Why the workers are to stop.
enum Stop {
    Asked,
    /// The demo is over.
    Over,
    Topic(Arc<Plan>, ExitError),
    Worker(Option<Ended>),
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

async fn upkeep(sink: &dyn crate::flow::AnySink, interval_ms: u64) {
    let mut ticks = tokio::time::interval(Duration::from_millis(interval_ms));
    loop {
        ticks.tick().await;
        sink.upkeep().await;
    }
}

/// Stops all workers and waits for them, up to the deadline or the second signal. Requests that were taken are answered
/// first, by the workers.
async fn drain(
    patience: Duration,
    (mut gateways, workers): (Vec<Gateway>, &[WorkerThread]),
    endings: &mut UnboundedReceiver<Ended>,
    stop: Stop,
    signals: (&mut Signal, &mut Signal),
) -> Result<(), ExitError> {
    let mut ended = Endings::default();
    if !matches!(stop, Stop::Asked | Stop::Over) {
        // A flow that fails answers nobody any more.
        gateways.clear();
    }
    match stop {
        Stop::Asked => tracing::info!("stopping: finishing what was read; a second signal stops at once"),
        Stop::Topic(plan, error) => {
            tracing::error!("the flow {} stops: {error}", plan.flow.name);
            ended.fail(&plan, error.to_string());
        }
        Stop::Worker(Some((plan, ending))) => ended.note(&plan, ending),
        Stop::Worker(None) | Stop::Over => {}
    }
    let answers = gateways.iter().map(|gateway| gateway.patience).sum::<Duration>();
    let all = async {
        gateways.iter().for_each(Gateway::close);
        for gateway in &mut gateways {
            gateway.drained().await;
        }
        workers.iter().for_each(|worker| worker.wake.stop());
        while let Some((plan, ending)) = endings.recv().await {
            ended.note(&plan, ending);
        }
    };
    tokio::select! {
        () = all => {}
        () = tokio::time::sleep(patience + answers) => ended.silent(),
        () = either(signals.0, signals.1) => {
            tracing::warn!("stopped at once: what was not committed is done again at the next start");
            terminal::end_line();
            std::process::exit(UNFINISHED.into());
        }
    }
    ended.outcome().await
}
