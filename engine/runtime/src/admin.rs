//! The admin page: metrics and health, for whoever may reach the address; GET only.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::commands::CommandCounts;
use crate::drive::Plan;
use crate::exit::ExitError;
use crate::letters::LetterCounts;
use crate::log_ends::LogEnds;
use crate::memory::MemoryPlan;
use crate::page::history::SharedHistory;
use crate::page::latest_letters::LatestLetters;
use crate::page::status::About;
use crate::page::{OwnPage, SearchBox};
use crate::snapshot::{Board, Snapshot, StateSnapshot};
use crate::views::AnyView;
use crate::{clock, metrics, page};

/// A worker that has not looked up for so long is stuck; it does so every second.
pub(crate) const SILENT_MS: u64 = 15_000;

/// What the page shows, of each flow; never empty.
pub(crate) type Views = Arc<[View]>;

/// What the page shows of a flow.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) boards: Vec<Board>,
    pub(crate) flow: &'static str,
    pub(crate) memory_bytes: u64,
    pub(crate) ends: LogEnds,
    pub(crate) letters: LetterCounts,
    pub(crate) latest_letters: LatestLetters,
    pub(crate) history: SharedHistory,
    pub(crate) about: Arc<About>,
    pub(crate) memory: MemoryPlan,
    pub(crate) search: Option<SearchBox>,
    pub(crate) commands: Option<Arc<CommandCounts>>,
    /// What its requests are answered from.
    pub(crate) shown: Vec<Arc<dyn AnyView>>,
}

impl View {
    /// Of a flow whose workers have these boards.
    ///
    /// # Errors
    /// When a sink that can be searched can't be reached as its settings say.
    pub(crate) fn new(plan: &Plan, boards: Vec<Board>, ends: LogEnds) -> Result<Self, ExitError> {
        let (search, search_off) = page::search_of(plan)?;
        Ok(Self {
            boards,
            flow: plan.flow.name,
            memory_bytes: plan.engine.memory_bytes,
            ends,
            letters: Arc::clone(&plan.letters),
            latest_letters: plan.latest_letters.clone(),
            history: SharedHistory::default(),
            about: Arc::new(About::of(plan, search_off)),
            memory: plan.memory,
            search,
            commands: None,
            shown: Vec::new(),
        })
    }

    pub(crate) fn snapshots(&self) -> Vec<Snapshot> {
        let mut snapshots: Vec<_> = self.boards.iter().map(|board| board.lock().clone()).collect();
        let ends = self.ends.lock();
        for partition in snapshots.iter_mut().flat_map(|snapshot| &mut snapshot.partitions) {
            partition.high = partition.high.max(ends.by_partition.get(&partition.number).copied());
        }
        snapshots
    }
}

/// Takes the address.
///
/// # Errors
/// When it is taken.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, ExitError> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        ExitError::Failed(format!(
            "the admin page can't listen on {address}: {error}; set engine.admin_listen to another address, or to off"
        ))
    })?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!("live page: http://{address}/");
        tracing::info!("admin page: http://{address}/metrics, /healthz, /readyz");
    }
    Ok(listener)
}

/// Serves until dropped, with a page of the pipeline's own if there is one.
pub(crate) async fn serve(listener: TcpListener, views: Views, own: Option<OwnPage>) {
    let listens = match listener.local_addr() {
        Ok(address) => address,
        Err(error) => return tracing::error!("the admin page has no address: {error}"),
    };
    if let Some(OwnPage { name, title, .. }) = &own {
        tracing::info!("{title}: http://{listens}/{name}");
    }
    let router = Router::new()
        .route("/metrics", get(serve_metrics))
        .route("/healthz", get(|State(views): State<Views>| async move { answer(&views, unhealthy) }))
        .route("/readyz", get(|State(views): State<Views>| async move { answer(&views, unready) }))
        .merge(page::router(listens, own))
        .with_state(views);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!("the admin page has ended: {error}");
    }
}

async fn serve_metrics(State(views): State<Views>) -> impl IntoResponse {
    let of_flow = |view: &View| metrics::Told {
        flow: view.flow,
        memory_bytes: view.memory_bytes,
        snapshots: view.snapshots(),
        letters: view.letters.lock().clone(),
        commands: view.commands.as_ref().map(|counts| counts.now()),
        shown: view.shown.iter().map(|shown| shown.counted()).collect(),
    };
    let told: Vec<_> = views.iter().map(of_flow).collect();
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::text(&told, clock::now()))
}

/// Whether no flow has a problem; the first of each that has, on a line.
fn answer(views: &Views, problem: fn(&View) -> Option<String>) -> (StatusCode, String) {
    let problems = views.iter().filter_map(|view| {
        let problem = problem(view)?;
        Some(if views.len() == 1 { problem + "\n" } else { format!("{}: {problem}\n", view.flow) })
    });
    match problems.collect::<String>() {
        none if none.is_empty() => (StatusCode::OK, "ok\n".to_owned()),
        problems => (StatusCode::SERVICE_UNAVAILABLE, problems),
    }
}

/// Whether every worker's loop turns.
fn unhealthy(view: &View) -> Option<String> {
    let now_ms = clock::now().uptime_ms;
    view.snapshots().iter().enumerate().find_map(|(number, snapshot)| {
        let silent_ms = now_ms.saturating_sub(snapshot.taken_ms);
        (snapshot.taken_ms > 0 && silent_ms > SILENT_MS)
            .then(|| format!("worker {number} has been silent for {silent_ms} ms"))
    })
}

/// A worker that is restoring state leaves the records of that partition waiting.
fn restoring(number: usize, snapshot: &Snapshot) -> Option<String> {
    let partitions = snapshot.partitions.iter();
    let restoring = |state: &&StateSnapshot| state.restoring;
    let left: Vec<_> =
        partitions.filter_map(|partition| partition.state.as_ref().filter(restoring)).collect();
    let known: u64 = left.iter().filter_map(|state| state.restore_left).sum();
    let loading = left.iter().filter(|state| state.loading).count();
    let loading = if loading > 0 { format!(" (reading {loading} local snapshots)") } else { String::new() };
    let many = left.len();
    (many > 0).then(|| {
        format!("worker {number} is restoring the state of {many} partitions, {known} records left{loading}")
    })
}

/// Whether what is shown has been read.
fn unread(view: &View) -> Option<String> {
    let unread = |shown: &Arc<dyn AnyView>| Some((shown.progress().ready().err()?, shown.topic().to_owned()));
    view.shown.iter().find_map(unread).map(|(why, topic)| format!("the view of {topic}: {why}"))
}

/// Whether every worker is a member of its group, has its state, and its sinks take what they are sent.
fn unready(view: &View) -> Option<String> {
    let of_workers = view.snapshots().iter().enumerate().find_map(|(number, snapshot)| {
        if snapshot.stopping {
            return Some(format!("worker {number} is stopping"));
        }
        if !snapshot.joined {
            return Some(format!("worker {number} has not joined its group yet"));
        }
        if let Some(text) = restoring(number, snapshot) {
            return Some(text);
        }
        let down = snapshot.sinks.iter().find(|(_, status)| !status.breaker_closed);
        down.map(|(sink, status)| {
            let why = status.last_error.as_ref().map_or("", |reason| reason.message.as_ref());
            format!("worker {number}: the breaker of the sink {sink} is open: {why}")
        })
    });
    of_workers.or_else(|| unread(view))
}
