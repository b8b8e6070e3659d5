//! The admin page: metrics and health, for whoever may reach the address; GET only.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::exit::ExitError;
use crate::letters::LetterCounts;
use crate::log_ends::LogEnds;
use crate::snapshot::{Board, Snapshot};
use crate::{clock, metrics};

/// A worker that has not looked up for so long is stuck; it does so every second.
const SILENT_MS: u64 = 15_000;

/// What the page shows.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) boards: Vec<Board>,
    pub(crate) flow: &'static str,
    pub(crate) memory_bytes: u64,
    pub(crate) ends: LogEnds,
    pub(crate) letters: LetterCounts,
}

impl View {
    pub(crate) fn snapshots(&self) -> Vec<Snapshot> {
        let mut snapshots: Vec<_> = self.boards.iter().map(|board| board.lock().clone()).collect();
        let ends = self.ends.lock();
        for partition in snapshots.iter_mut().flat_map(|snapshot| &mut snapshot.partitions) {
            partition.high = partition.high.max(ends.get(&partition.number).copied());
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
        tracing::info!("admin page: http://{address}/metrics, /healthz, /readyz");
    }
    Ok(listener)
}

/// Serves until dropped.
pub(crate) async fn serve(listener: TcpListener, view: View) {
    let router = Router::new()
        .route("/metrics", get(serve_metrics))
        .route("/healthz", get(|State(view): State<View>| async move { answer(unhealthy(&view)) }))
        .route("/readyz", get(|State(view): State<View>| async move { answer(unready(&view)) }))
        .with_state(view);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!("the admin page has ended: {error}");
    }
}

async fn serve_metrics(State(view): State<View>) -> impl IntoResponse {
    let told = metrics::Told {
        flow: view.flow,
        memory_bytes: view.memory_bytes,
        snapshots: view.snapshots(),
        letters: view.letters.lock().clone(),
    };
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::text(&told, clock::now()))
}

fn answer(problem: Option<String>) -> (StatusCode, String) {
    match problem {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(problem) => (StatusCode::SERVICE_UNAVAILABLE, problem + "\n"),
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

/// Whether every worker is a member of its group and its sinks take what they are sent.
fn unready(view: &View) -> Option<String> {
    view.snapshots().iter().enumerate().find_map(|(number, snapshot)| {
        if snapshot.stopping {
            return Some(format!("worker {number} is stopping"));
        }
        if !snapshot.joined {
            return Some(format!("worker {number} has not joined its group yet"));
        }
        let down = snapshot.sinks.iter().find(|(_, status)| !status.breaker_closed);
        down.map(|(sink, status)| {
            let why = status.last_error.as_ref().map_or("", |reason| reason.message.as_ref());
            format!("worker {number}: the breaker of the sink {sink} is open: {why}")
        })
    })
}
