//! Hiccups of the machine: how late a thread is that sleeps a millisecond and does nothing else. What no program could
//! have done in time is not the program's fault.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;

const SLEEP: Duration = Duration::from_millis(1);

/// A hiccup that is longer counts as a minute.
const LONGEST_US: u64 = 60_000_000;

/// By how much the thread was late, in ms.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Hiccups {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
    sleeps: u64,
}

/// The thread, while it runs.
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Histogram<u64>>,
}

impl Watch {
    pub(crate) fn start() -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut late_us = Histogram::<u64>::new_with_bounds(1, LONGEST_US, 3)?;
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("hiccups".to_owned()).spawn(move || {
            while !told.load(Ordering::Relaxed) {
                let begun = Instant::now();
                std::thread::sleep(SLEEP);
                let late = begun.elapsed().saturating_sub(SLEEP);
                late_us.saturating_record(u64::try_from(late.as_micros()).unwrap_or(u64::MAX));
            }
            late_us
        })?;
        Ok(Self { stop, thread })
    }

    /// Ends it.
    pub(crate) fn finish(self) -> Result<Hiccups> {
        self.stop.store(true, Ordering::Relaxed);
        let late_us = self.thread.join().map_err(|_| anyhow::anyhow!("the hiccup thread panicked"))?;
        let at = |quantile| late_us.value_at_quantile(quantile) as f64 / 1e3;
        Ok(Hiccups {
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: late_us.max() as f64 / 1e3,
            sleeps: late_us.len(),
        })
    }
}

impl std::fmt::Display for Hiccups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { p50_ms, p99_ms, p999_ms, max_ms, .. } = self;
        write!(f, "p50 {p50_ms:.2}, p99 {p99_ms:.2}, p99.9 {p999_ms:.2}, max {max_ms:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sleep_counts() {
        let watch = Watch::start().unwrap();
        std::thread::sleep(SLEEP * 20);
        let hiccups = watch.finish().unwrap();
        assert!(hiccups.sleeps > 0 && hiccups.max_ms > 0.0 && hiccups.max_ms >= hiccups.p50_ms);
    }
}
