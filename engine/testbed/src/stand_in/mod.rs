//! A stand-in for Elasticsearch that answers at once and records what it was told: for measuring what a flow costs.
//!
//! It knows `_bulk` (index, create and delete, with external versions as the real one), `_mget`, creating indices,
//! mappings and aliases, `_count`, `_refresh` and `_cluster/health`. It does not search, does not check mappings,
//! and keeps everything in memory. `GET /_stand_in/documents` gives what it holds, a JSON line per document.

mod answer_fields;
mod bulk;
mod documents;
mod indices;
mod mget;
mod record;
mod routes;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::background::Background;
use routes::State;

/// What a stand-in keeps of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Keep {
    /// Nothing: every write succeeds, nothing is ever found.
    Nothing,
    /// Versions: stale writes get 409; `_mget` finds nothing.
    Versions,
    /// Versions and bodies, as Elasticsearch does.
    #[default]
    Documents,
}

/// How a stand-in works.
#[derive(Debug, Clone, Default)]
pub struct StandInOptions {
    /// The port on loopback; 0 for any.
    pub port: u16,
    /// What it keeps.
    pub keep: Keep,
    /// A file that gets a JSON line per item of every bulk request:
    /// `{"op":…,"index":…,"id":…,"version":…,"status":…,"body_bytes":…,"body_xxh3":…}`.
    pub record: Option<PathBuf>,
    /// Whether these lines also have the body, as `"source"`.
    pub record_bodies: bool,
}

/// A stand-in in this process, on a thread of its own; ends when dropped.
#[derive(Debug)]
pub struct StandIn {
    address: SocketAddr,
    state: Arc<State>,
    _background: Background,
}

impl StandIn {
    /// Starts one.
    ///
    /// # Errors
    /// When the port or the record file can't be had.
    pub fn start(options: &StandInOptions) -> io::Result<Self> {
        let background = Background::start("stand-in")?;
        let state = Arc::new(State::new(options)?);
        let listener = std::net::TcpListener::bind(("127.0.0.1", options.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let _inside = background.handle().enter();
        let listener = TcpListener::from_std(listener)?;
        background.spawn(accept_all(listener, Arc::clone(&state)));
        Ok(Self { address, state, _background: background })
    }

    /// Where clients connect: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Items of bulk requests answered so far.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.state.items()
    }

    /// Writes what is still buffered to the record file.
    ///
    /// # Errors
    /// When it can't be written, now or earlier.
    pub fn flush(&self) -> io::Result<()> {
        self.state.flush()
    }
}

async fn accept_all(listener: TcpListener, state: Arc<State>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let state = Arc::clone(&state);
                async move { Ok::<_, std::convert::Infallible>(state.answer(request).await) }
            });
            // How a client ends its connection is its business.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
