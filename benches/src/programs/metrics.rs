//! What `message-indexer` says of itself.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// An address on loopback that nobody listens at.
pub(super) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// The metrics of one moment.
#[derive(Debug, Clone)]
pub(crate) struct Metrics(String);

/// Records by how late their effects were: pairs of an upper bound in ms and the records up to it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Latencies {
    up_to_ms: Vec<(f64, u64)>,
    records: u64,
}

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
    pub(crate) fn sum(&self, name: &str, label: &str) -> Option<u64> {
        self.values(name, label).map(|(_, value)| value as u64).reduce(|sum, value| sum + value)
    }

    /// How many values the metric has, and their sum.
    pub(crate) fn count_and_sum(&self, name: &str) -> (u64, u64) {
        self.values(name, "").fold((0, 0), |(count, sum), (_, value)| (count + 1, sum + value as u64))
    }

    /// From the log's timestamp until the effect was durable.
    pub(crate) fn end_to_end(&self) -> Latencies {
        let stage = "stage=\"end_to_end\"";
        let bound = |labels: &str| {
            let (_, after) = labels.split_once("le=\"")?;
            Some(after.split_once('"')?.0.parse::<f64>().ok()? * 1e3)
        };
        let up_to_ms = self
            .values("thalweg_latency_seconds_bucket", stage)
            .filter_map(|(labels, count)| Some((bound(labels)?, count as u64)))
            .filter(|(bound, _)| bound.is_finite());
        Latencies {
            up_to_ms: up_to_ms.collect(),
            records: self.sum("thalweg_latency_seconds_count", stage).unwrap_or_default(),
        }
    }

    fn values<'m>(&'m self, name: &'m str, label: &'m str) -> impl Iterator<Item = (&'m str, f64)> + 'm {
        self.0.lines().filter_map(move |line| {
            let labels_and_value = line.strip_prefix(name)?.strip_prefix('{')?;
            let (labels, value) = labels_and_value.rsplit_once('}')?;
            Some((labels, value.trim().parse().ok()?)).filter(|_| labels.contains(label))
        })
    }
}

impl Latencies {
    /// What came between `before` and this.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let known = |bound: f64| {
            before.up_to_ms.iter().find(|(other, _)| *other == bound).map_or(0, |(_, count)| *count)
        };
        let up_to_ms = self.up_to_ms.iter().map(|(bound, count)| (*bound, count - known(*bound).min(*count)));
        Self { up_to_ms: up_to_ms.collect(), records: self.records - before.records.min(self.records) }
    }

    /// Both together.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let known = |bound: f64| other.up_to_ms.iter().find(|(of, _)| *of == bound).map_or(0, |(_, n)| *n);
        let up_to_ms = self.up_to_ms.iter().map(|(bound, count)| (*bound, count + known(*bound)));
        Self { up_to_ms: up_to_ms.collect(), records: self.records + other.records }
    }

    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// The smallest bound, in ms, below which that share of the records is; infinite when none is known.
    pub(crate) fn below_ms(&self, share: f64) -> f64 {
        let wanted = self.records as f64 * share;
        let found = self.up_to_ms.iter().find(|(_, count)| *count as f64 >= wanted);
        found.map_or(f64::INFINITY, |(bound, _)| *bound)
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

    #[test]
    fn quantiles_are_told_by_the_bound_above_them() {
        let text = |counts: [u64; 3]| {
            let [some, more, all] = counts;
            Metrics(format!(
                "thalweg_latency_seconds_bucket{{stage=\"end_to_end\",le=\"0.005\"}} {some}\n\
                 thalweg_latency_seconds_bucket{{stage=\"end_to_end\",le=\"0.01\"}} {more}\n\
                 thalweg_latency_seconds_bucket{{stage=\"end_to_end\",le=\"+Inf\"}} {all}\n\
                 thalweg_latency_seconds_bucket{{stage=\"read\",le=\"0.005\"}} 999\n\
                 thalweg_latency_seconds_count{{stage=\"end_to_end\"}} {all}\n"
            ))
            .end_to_end()
        };
        let window = text([1_090, 1_099, 1_100]).since(&text([100, 100, 100]));
        assert_eq!(window.records(), 1_000);
        assert_eq!((window.below_ms(0.99), window.below_ms(0.999)), (5.0, 10.0));
        assert_eq!(window.below_ms(1.0), f64::INFINITY);
        assert_eq!(window.and(&window).records(), 2_000);
    }
}
