//! The search index: the part of Elasticsearch's REST API that our connector, the page and the verifier use, over
//! HTTP/1.1 on loopback.
//!
//! Documents live in memory with their versions, found by a full-text index that is refreshed each second or when asked.
//! What it does not know it refuses, with 400 or 501 and the name of what it does not know; nothing is ignored that would
//! change an answer. It is for trying out: nothing survives the process, and above a limit of memory writes get 429.
//!
//! Other than Elasticsearch: one shard; text is split at what is neither letter nor digit (no segmentation of scripts
//! without spaces); neither fields nor indices are made by writing.

mod action;
mod aliases;
mod answer;
mod asked;
mod bulk;
mod dates;
mod documents;
mod field_values;
mod filter_path;
mod full_text;
mod gate;
mod indices;
mod json_value;
mod mapping;
mod match_query;
mod points_in_time;
mod query;
mod ranking;
mod reads;
mod refusal;
mod routes;
mod search;
mod search_body;
mod settings;
mod simple_query;
mod words;
mod writes;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use tokio::sync::oneshot;

use gate::Gate;
use indices::Indices;
use points_in_time::PointsInTime;
use routes::Cluster;

/// How long a stop waits for requests that are being answered.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// How an index is run.
#[derive(Debug, Clone, Copy)]
pub struct IndexOptions {
    /// The port on loopback; 0: any free one.
    pub port: u16,
    /// The memory that documents and their full-text index may take; writes past it are answered 429.
    pub bytes_max: u64,
}

impl Default for IndexOptions {
    /// Any port, 1 GiB: some two million short messages.
    fn default() -> Self {
        Self { port: 0, bytes_max: 1 << 30 }
    }
}

/// A search index in this process, on threads of its own (`index-http`, `index-writer`, and tantivy's); stopped when
/// dropped. Empty at first.
pub struct EmbeddedIndex {
    address: SocketAddr,
    cluster: Arc<Cluster>,
    gate: Arc<Gate>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl EmbeddedIndex {
    /// Starts one.
    ///
    /// # Errors
    /// When the port is taken, or no thread can be started.
    pub fn start(options: IndexOptions) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (indices, points) = (Indices::new(options.bytes_max), PointsInTime::default());
        let cluster = Arc::new(Cluster { indices, points });
        let gate = Arc::new(Gate::default());
        let router = routes::router(Arc::clone(&cluster), Arc::clone(&gate));
        // One thread answers: changes reach the full-text index in the order they were made.
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(2).build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("index-http".into()).spawn(move || {
            runtime.block_on(serve(listener, router, stopped));
            runtime.shutdown_timeout(STOP_WITHIN);
        })?;
        Ok(Self { address, cluster, gate, stop: Some(stop), thread: Some(thread) })
    }

    /// Where clients connect: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The memory that documents and their full-text index take, as of the last refresh.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.cluster.indices.bytes()
    }

    /// Answers every request with 503 and a closed connection, as if the server were down, until
    /// [`EmbeddedIndex::bring_up`]. Nothing is forgotten.
    pub fn take_down(&self) {
        self.gate.is_shut.store(true, Ordering::Relaxed);
    }

    /// Answers again.
    pub fn bring_up(&self) {
        self.gate.is_shut.store(false, Ordering::Relaxed);
    }
}

impl Drop for EmbeddedIndex {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It panics only on a bug, which its own message has told already.
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, router: axum::Router, stopped: oneshot::Receiver<()>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener.tap_io(|stream| {
            // An answer is one write: there is nothing to gather. Without it all works, slower.
            let _ = stream.set_nodelay(true);
        }),
        Err(error) => return tracing::error!("the embedded index can't listen: {error}"),
    };
    let (end, ended) = oneshot::channel::<()>();
    let serving = axum::serve(listener, router).with_graceful_shutdown(async {
        let _ = ended.await;
    });
    let mut serving = std::pin::pin!(serving.into_future());
    tokio::select! {
        _ = &mut serving => {}
        // The sender is dropped: stop.
        _ = stopped => {
            drop(end);
            let _ = tokio::time::timeout(STOP_WITHIN, serving).await;
        }
    }
}
