//! Connections: taken up to a number, each with limits against clients that are slow or send too much.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::counts::CommandCounts;
use super::handling::{self, Handling};
use super::routes::Route;

/// A request's head at most; larger ones are answered with 431. Tokens of 4 KiB fit.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Headers of a request at most.
const HEADERS_MAX: usize = 64;

/// After an accept that failed, as it does when the process may open no more files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How far serving has come; only ever goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Requests are taken.
    Open,
    /// No more are taken; those that came are answered.
    Draining,
}

/// What is known of the routes of a flow.
///
/// # Panics
/// When two routes have the same method and path, or a path is no pattern: a mistake in the flow.
pub(super) fn router(routes: &[Route], handling: &Arc<Handling>) -> Router {
    let mut router = Router::new();
    for Route { method, path, does } in routes {
        let Ok(filter) = MethodFilter::try_from(method.clone()) else { continue };
        let does = does.clone();
        let handle = move |State(handling): State<Arc<Handling>>,
                           parameters: Result<RawPathParams, RawPathParamsRejection>,
                           request: Request| async move {
            let Ok(parameters) = parameters else { return handling::refuse_parameters() };
            let named = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            let parameters: Vec<_> = parameters.iter().map(named).collect();
            handling.answer(&does, &parameters, request).await
        };
        router = router.route(path, on(filter, handle));
    }
    router
        .fallback(|| async { handling::refuse_path() })
        .method_not_allowed_fallback(|| async { handling::refuse_method() })
        .layer(middleware::from_fn_with_state(Arc::clone(&handling.counts), count))
        .with_state(Arc::clone(handling))
}

async fn count(State(counts): State<Arc<CommandCounts>>, request: Request, next: Next) -> Response {
    let in_progress = counts.request();
    let response = next.run(request).await;
    in_progress.answered(response.status().as_u16());
    response
}

/// Limits of connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) connections_max: u32,
    pub(super) client_timeout: Duration,
}

/// Serves until told to drain, and then until every request is answered.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    phase: watch::Receiver<Phase>,
) {
    let places = Arc::new(Semaphore::new(limits.connections_max as usize));
    let mut until = phase.clone();
    tokio::select! {
        () = accept(&listener, &router, limits, &places, &phase) => {}
        () = draining(&mut until) => {}
    }
    // Who connects now is refused, and can ask another instance.
    drop(listener);
    // Never closed: this only waits until every place is free.
    let _ = places.acquire_many(limits.connections_max).await;
}

/// Until no more requests are taken.
async fn draining(phase: &mut watch::Receiver<Phase>) {
    // An error: whoever would say so is gone.
    let _ = phase.wait_for(|phase| *phase != Phase::Open).await;
}

async fn accept(
    listener: &TcpListener,
    router: &Router,
    limits: Limits,
    places: &Arc<Semaphore>,
    phase: &watch::Receiver<Phase>,
) {
    while let Ok(place) = Arc::clone(places).acquire_owned().await {
        let stream = loop {
            match listener.accept().await {
                Ok((stream, _)) => break stream,
                Err(error) => {
                    tracing::debug!("a connection could not be accepted: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        };
        let (router, phase) = (router.clone(), phase.clone());
        tokio::spawn(async move {
            connection(stream, router, limits, phase).await;
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, router: Router, limits: Limits, mut phase: watch::Receiver<Phase>) {
    if let Err(error) = prepare(&stream, limits) {
        return tracing::debug!("a connection can't be limited, and is closed: {error}");
    }
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        // Also ends connections on which no further request comes.
        .header_read_timeout(limits.client_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = draining(&mut phase) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended: {error}");
    }
}

/// Answers leave at once, and a client that takes none of them for too long is cut off.
fn prepare(stream: &TcpStream, limits: Limits) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(limits.client_timeout))?;
    Ok(())
}
