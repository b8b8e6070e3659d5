//! The process: starts the workers, listens to signals, and waits for the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::command_line::Shown;
use crate::drive::{self, Ending, Plan, WorkerThread};
use crate::exit::{ExitError, UNFINISHED};
use crate::log_ends::LogEnds;
use crate::page::history;
use crate::report::Report;
use crate::snapshot::Board;
use crate::tryout::Stage;
use crate::{admin, log_ends, progress, terminal, topic_watch};

/// Beyond the workers' own deadline: what closing consumers may take.
const CLOSE_MS: u64 = 15_000;

/// Runs the flow until it is stopped or fails. Prints the report.
pub(crate) async fn supervise(plan: Arc<Plan>, shown: Shown, stage: Option<Stage>) -> Result<(), ExitError> {
    let mut interrupts = signal(SignalKind::interrupt()).map_err(ExitError::failed)?;
    let mut terminations = signal(SignalKind::terminate()).map_err(ExitError::failed)?;
    let listener = match plan.engine.admin_address() {
        Some(address) => Some(admin::bind(address).await?),
        None => None,
    };
    tracing::info!(
        topic = plan.log.topic,
        partitions = plan.log.partitions,
        group = plan.flow.source.settings.group.id,
        dead_letters = plan.dead_letter_topic,
        workers = plan.engine.workers,
        "{} starts",
        plan.flow.name
    );
    let began = Instant::now();
    let (tell, mut endings) = unbounded_channel();
    let mut workers = Vec::new();
    for number in 0..plan.engine.workers {
        workers.push(drive::start(Arc::clone(&plan), number, tell.clone())?);
    }
    drop(tell);
    let boards: Vec<Board> = workers.iter().map(|worker| Arc::clone(&worker.board)).collect();
    let ends = LogEnds::default();
    let view = admin::View::new(&plan, boards, Arc::clone(&ends))?;
    let mut side_tasks = tokio::task::JoinSet::new();
    if shown.progress {
        side_tasks.spawn(progress::follow(view.clone()));
    }
    if let Some(listener) = listener {
        side_tasks.spawn(admin::serve(listener, view.clone()));
    }
    side_tasks.spawn(history::follow(view.clone()));
    side_tasks.spawn(log_ends::follow(Arc::clone(&plan.topics), plan.log.clone(), ends));
    for (_, sink) in &plan.flow.sinks.plans {
        if let Some(interval_ms) = sink.upkeep_interval_ms() {
            let sink = Arc::clone(sink);
            side_tasks.spawn_local(async move { upkeep(&*sink, interval_ms).await });
        }
    }
    let why_stopped = {
        let watch = topic_watch::until_changed(&plan);
        tokio::select! {
            first = endings.recv() => Stop::Worker(first),
            changed = watch => Stop::Topic(changed),
            () = either(&mut interrupts, &mut terminations) => Stop::Asked,
            () = played(stage.as_ref(), &view) => Stop::Over,
        }
    };
    let outcome =
        drain(&plan, &workers, &mut endings, why_stopped, (&mut interrupts, &mut terminations)).await;
    side_tasks.shutdown().await;
    terminal::end_line();
    let mut report = Report::of(plan.flow.name, &view.snapshots(), began.elapsed().as_secs_f64());
    let verified = match stage {
        Some(stage) => stage.end(&mut report).await,
        None => Ok(()),
    };
    report.print(shown.report);
    outcome.and(verified)
}

/// Plays what there is to play, measuring what the engine uses meanwhile; without a stage: never ends.
async fn played(stage: Option<&Stage>, view: &admin::View) {
    let Some(stage) = stage else { return std::future::pending().await };
    tokio::select! {
        () = stage.play(view) => {}
        () = stage.measure() => {}
    }
}

/// Runs the one worker that reads the old partitions to their end; ends by itself, or when it is interrupted.
pub(crate) async fn drain_old(plan: Arc<Plan>) -> Result<(), ExitError> {
    let (tell, mut endings) = unbounded_channel();
    // Kept: dropping it would not stop the worker, but nobody else has its handle.
    let _worker = drive::start(Arc::clone(&plan), 0, tell)?;
    let mut ended = Endings::default();
    match endings.recv().await {
        Some((_, ending)) => ended.note(ending),
        None => ended.unclean = true,
    }
    ended.outcome()
}

/// Why the workers are to stop.
enum Stop {
    Asked,
    /// The demo is over.
    Over,
    Topic(ExitError),
    Worker(Option<(u16, Ending)>),
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

/// Stops all workers and waits for them, up to the deadline or the second signal.
async fn drain(
    plan: &Arc<Plan>,
    workers: &[WorkerThread],
    endings: &mut UnboundedReceiver<(u16, Ending)>,
    stop: Stop,
    signals: (&mut Signal, &mut Signal),
) -> Result<(), ExitError> {
    let mut ended = Endings::default();
    match stop {
        Stop::Asked => tracing::info!("stopping: finishing what was read; a second signal stops at once"),
        Stop::Topic(error) => {
            tracing::error!("the flow stops: {error}");
            ended.failed.get_or_insert(error.to_string());
        }
        Stop::Worker(Some((_, ending))) => ended.note(ending),
        Stop::Worker(None) | Stop::Over => {}
    }
    workers.iter().for_each(|worker| worker.wake.stop());
    let patience = Duration::from_millis(plan.engine.stop_deadline_ms + CLOSE_MS);
    let all = async {
        while let Some((_, ending)) = endings.recv().await {
            ended.note(ending);
        }
    };
    tokio::select! {
        () = all => {}
        () = tokio::time::sleep(patience) => {
            ended.stuck.push("a worker does not answer".to_owned());
        }
        () = either(signals.0, signals.1) => {
            tracing::warn!("stopped at once: what was not committed is done again at the next start");
            terminal::end_line();
            std::process::exit(UNFINISHED.into());
        }
    }
    if ended.topic_grew {
        ended.failed.get_or_insert(topic_watch::grown(plan).await.to_string());
    }
    ended.outcome()
}

#[derive(Default)]
struct Endings {
    failed: Option<String>,
    topic_grew: bool,
    unclean: bool,
    stuck: Vec<String>,
}

impl Endings {
    fn note(&mut self, ending: Ending) {
        match ending {
            Ending::Failed(reason) => {
                self.failed.get_or_insert(reason);
            }
            Ending::TopicGrew => self.topic_grew = true,
            Ending::Stopped { clean, stuck } => {
                self.unclean |= !clean;
                self.stuck.extend(stuck);
            }
        }
    }

    fn outcome(self) -> Result<(), ExitError> {
        if let Some(reason) = self.failed {
            return Err(ExitError::Failed(reason));
        }
        if self.unclean || !self.stuck.is_empty() {
            let lines: Vec<_> = self.stuck.iter().map(|line| format!("\n  {line}")).collect();
            return Err(ExitError::Unfinished(format!(
                "the drain did not finish in time; what is left is done again at the next start:{}",
                if lines.is_empty() {
                    "\n  the last commit was not confirmed".to_owned()
                } else {
                    lines.concat()
                }
            )));
        }
        Ok(())
    }
}
