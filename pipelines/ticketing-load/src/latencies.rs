//! How long creating an order took, from when it was due.

use std::time::Instant;

use anyhow::Result;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde::Serialize;

const LONGEST_US: u64 = 3_600_000_000;

/// Of orders that were accepted.
#[derive(Debug)]
pub(crate) struct Latencies(Mutex<Histogram<u64>>);

/// Some quantiles, in ms.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) created: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
}

impl Latencies {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(Mutex::new(Histogram::new_with_bounds(1, LONGEST_US, 3)?)))
    }

    /// One that was due then is created now.
    pub(crate) fn note(&self, due: Instant) {
        let took_us = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.0.lock().saturating_record(took_us.max(1));
    }

    pub(crate) fn quantiles(&self) -> Quantiles {
        let histogram = self.0.lock();
        let ms = |us: u64| us as f64 / 1e3;
        let at = |share: f64| ms(histogram.value_at_quantile(share));
        Quantiles {
            created: histogram.len(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: ms(histogram.max()),
        }
    }
}
