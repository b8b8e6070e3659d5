//! What `message-indexer` says of itself.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::Result;

const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// An address on loopback that nobody listens at.
pub(super) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// The metrics of one moment.
pub(super) struct Metrics(String);

impl Metrics {
    /// From the admin page there; fails while nobody answers.
    pub(super) fn of(address: SocketAddr) -> Result<Self> {
        let mut stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(Self(answer))
    }

    /// The sum over the metric's values whose labels contain `label`; `None` when there is none.
    pub(super) fn sum(&self, name: &str, label: &str) -> Option<u64> {
        let values = self.0.lines().filter_map(|line| {
            let labels_and_value = line.strip_prefix(name)?.strip_prefix('{')?;
            let (labels, value) = labels_and_value.rsplit_once('}')?;
            labels.contains(label).then(|| value.trim().parse::<f64>().ok())?
        });
        values.map(|value| value as u64).reduce(|sum, value| sum + value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_one_metric_are_summed() {
        let metrics = Metrics("# HELP a\na{x=\"1\"} 2\na{x=\"2\"} 3\na_b{x=\"1\"} 50\n".to_owned());
        assert_eq!(metrics.sum("a", ""), Some(5));
        assert_eq!(metrics.sum("a", "x=\"2\""), Some(3));
        assert_eq!(metrics.sum("b", ""), None);
    }
}
