//! How each real server is installed, configured, started and stopped on this machine.

pub mod elasticsearch;
pub mod kafka;
pub mod prometheus;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

pub use elasticsearch::Elasticsearch;
pub use kafka::Kafka;
pub use prometheus::Prometheus;

use crate::error::TestbedError;
use crate::folder;
use crate::process::{POLL_INTERVAL, ServerProcess};

/// How long a server may take to start: an order of magnitude above a quiet machine's 5 to 15 s.
const START_LIMIT: Duration = Duration::from_secs(180);
/// Lines of a server's log that an error shows.
const TAIL_LINES: usize = 30;

/// Waits until `is_ready`; fails with the end of `log` when the process dies first or the time is up.
fn wait_ready(
    server: &'static str,
    process: ServerProcess,
    log: &Path,
    is_ready: impl Fn() -> bool,
) -> Result<(), TestbedError> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        if is_ready() {
            return Ok(());
        }
        if !process.is_alive() {
            return Err(not_started(server, "it ended".to_owned(), log));
        }
        if Instant::now() >= deadline {
            process.kill()?;
            return Err(not_started(server, format!("not ready after {} s", START_LIMIT.as_secs()), log));
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

fn not_started(server: &'static str, reason: String, log: &Path) -> TestbedError {
    TestbedError::NotStarted { server, reason, log: log.to_path_buf(), tail: folder::tail(log, TAIL_LINES) }
}

/// Whether something on loopback accepts connections at `port`.
#[must_use]
pub fn port_answers(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

/// `count` loopback ports nothing listens at, all different.
///
/// # Errors
/// When the system has none.
pub fn free_ports(count: usize) -> std::io::Result<Vec<u16>> {
    // Held until all are known, so that none is given twice.
    let held: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<Result<_, _>>()?;
    held.iter().map(|listener| listener.local_addr().map(|address| address.port())).collect()
}

/// The status of `GET path`, by hand, since a recipe must run inside and outside of async runtimes alike.
fn http_status(port: u16, path: &str) -> Option<u16> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").ok()?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).ok()?;
    std::str::from_utf8(&head).ok()?.strip_prefix("HTTP/1.1 ")?.parse().ok()
}
