//! A proxy that forwards bytes, or doesn't.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;

use super::gate::Gate;
use crate::background::Background;
use crate::process::POLL_INTERVAL;

/// Bytes read at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks on their way in one direction: enough that a delay does not become a limit of throughput.
const CHUNKS_UNDERWAY: usize = 64;
/// How long another test may hold a port that only one can have.
const PORT_WAIT: Duration = Duration::from_secs(120);

/// What a [`TcpProxy`] does with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// Passes them on after `delay_ms`, in order, without limiting throughput.
    Forward {
        /// Added to every chunk in both directions; 0 for none.
        delay_ms: u64,
    },
    /// Accepts connections and bytes and passes nothing on, as a network that was split does; what was held goes on
    /// when forwarding again.
    BlackHole,
    /// Refuses connections and cuts those there are, as a machine whose server is down does.
    Refuse,
}

/// A TCP proxy on loopback whose traffic can be changed while it runs.
#[derive(Debug)]
pub struct TcpProxy {
    gate: Gate,
    traffic: watch::Sender<Traffic>,
    counts: Arc<Counts>,
    _background: Background,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    bytes: AtomicU64,
}

impl TcpProxy {
    /// Listens on a free port and forwards to `target` (`HOST:PORT`).
    ///
    /// # Errors
    /// When no port or thread can be had.
    pub fn start(target: &str) -> io::Result<Self> {
        Self::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), target)
    }

    /// Listens where the shared Kafka tells clients of its proxied listener to connect, so that it sees all their
    /// traffic. One at a time on a machine: waits for up to two minutes while another test has the port.
    ///
    /// # Errors
    /// When the port stays taken.
    ///
    /// # Panics
    /// When there is no Kafka, see [`crate::servers::kafka_proxied`].
    pub fn before_shared_kafka() -> io::Result<Self> {
        let (listen, target) = crate::servers::kafka_proxied();
        let address = listen.parse().map_err(|error| io::Error::other(format!("{listen}: {error}")))?;
        let deadline = Instant::now() + PORT_WAIT;
        loop {
            match Self::listen(address, &target) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                    std::thread::sleep(POLL_INTERVAL);
                }
                other => return other,
            }
        }
    }

    /// Listens at the address that a private Kafka advertises on its proxied listener.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn before_kafka(kafka: &crate::recipe::Kafka) -> io::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, kafka.ports.proxy));
        Self::listen(address, &format!("127.0.0.1:{}", kafka.ports.proxied))
    }

    fn listen(address: SocketAddr, target: &str) -> io::Result<Self> {
        let background = Background::start("tcp-proxy")?;
        let (traffic, watched) = watch::channel(Traffic::Forward { delay_ms: 0 });
        let counts = Arc::new(Counts::default());
        let target = target.to_owned();
        let counted = Arc::clone(&counts);
        let _inside = background.handle().enter();
        let gate = Gate::listen(address, move |client| {
            counted.connections.fetch_add(1, Ordering::Relaxed);
            forward(client, target.clone(), watched.clone(), Arc::clone(&counted))
        })?;
        Ok(Self { gate, traffic, counts, _background: background })
    }

    /// Where clients connect: `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        self.gate.address().to_string()
    }

    /// Changes what happens to bytes, of connections there are and of new ones.
    pub fn set(&self, traffic: Traffic) {
        self.traffic.send_replace(traffic);
        self.gate.set_open(traffic != Traffic::Refuse);
    }

    /// Ends every connection there is; new ones are served.
    pub fn cut(&self) {
        self.gate.cut();
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.counts.connections.load(Ordering::Relaxed)
    }

    /// Bytes passed on so far, both directions together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.counts.bytes.load(Ordering::Relaxed)
    }
}

async fn forward(client: TcpStream, target: String, traffic: watch::Receiver<Traffic>, counts: Arc<Counts>) {
    if delay_when_open(&traffic).await.is_none() {
        return;
    }
    // A server that refuses looks to the client like one that hangs up at once.
    let Ok(server) = TcpStream::connect(&target).await else { return };
    let _ = server.set_nodelay(true);
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let there = pump(client_read, server_write, traffic.clone(), Arc::clone(&counts));
    let back = pump(server_read, client_write, traffic, counts);
    tokio::join!(there, back);
}

/// Waits until bytes may pass and returns their delay; `None` when the proxy is gone.
async fn delay_when_open(traffic: &watch::Receiver<Traffic>) -> Option<Duration> {
    let mut traffic = traffic.clone();
    let open = traffic.wait_for(|traffic| matches!(traffic, Traffic::Forward { .. })).await.ok()?;
    match *open {
        Traffic::Forward { delay_ms } => Some(Duration::from_millis(delay_ms)),
        Traffic::BlackHole | Traffic::Refuse => None,
    }
}

/// One direction, until its sender ends or its receiver fails.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    traffic: watch::Receiver<Traffic>,
    counts: Arc<Counts>,
) {
    let (queue, mut queued) = mpsc::channel::<(tokio::time::Instant, Vec<u8>)>(CHUNKS_UNDERWAY);
    let read = async {
        let mut buffer = vec![0; CHUNK_BYTES];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let chunk = buffer.get(..count).unwrap_or_default().to_vec();
            if queue.send((tokio::time::Instant::now(), chunk)).await.is_err() {
                break;
            }
        }
        drop(queue);
    };
    let write = async {
        while let Some((arrived, chunk)) = queued.recv().await {
            let Some(delay) = delay_when_open(&traffic).await else { break };
            sleep_until(arrived + delay).await;
            if to.write_all(&chunk).await.is_err() {
                break;
            }
            counts.bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        }
        // Passes the end on; the other direction may still flow.
        let _ = to.shutdown().await;
        queued.close();
    };
    tokio::join!(read, write);
}
