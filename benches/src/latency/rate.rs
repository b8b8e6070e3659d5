//! The flow at a given rate: how late its effects were, and whether it kept up.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use crate::ground::Ground;
use crate::hiccups::{Hiccups, Watch};
use crate::programs::instance::Instance;
use crate::programs::loadgen::{Loaded, Loadgen};
use crate::programs::metrics::{Latencies, Metrics};

/// What comes first is not measured: connections, the first assignment's fetches, and a broker whose virtual machine has
/// compiled nothing yet. That takes it half a minute; then an acknowledgement takes a tenth of what it took before.
const WARM_UP_SECONDS: u64 = 30;

/// Time until the load has found the broker.
const LOAD_STARTS: Duration = Duration::from_secs(1);

/// How long the load's producer may wait to fill a batch, part of what is measured. Without it the broker, on the same
/// two cores, spends one of them on batches of one record at 20,000 a second, and the queue before it is all that is seen.
const LINGER_MS: &str = "2";

/// Time between two looks at the lag.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What was seen at one rate.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct AtRate {
    /// Records due per second.
    pub(crate) rate: f64,
    /// That this was measured for, the warm-up left out.
    pub(crate) seconds: f64,
    pub(crate) records: u64,
    /// Bounds below which that share of the effects were in time, in ms.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) all_ms: f64,
    pub(crate) latencies: Latencies,
    /// Records between what is finished and the end of the log, each second.
    pub(crate) lags: Vec<u64>,
    /// Neither the flow nor the load fell behind by a second.
    pub(crate) kept_up: bool,
    pub(crate) hiccups: Hiccups,
    pub(crate) load: Loaded,
}

/// Runs the flow for so many seconds at that rate, on a topic of its own.
pub(crate) fn at(brokers: &str, rate: f64, seconds: u64) -> Result<AtRate> {
    let ground = Ground::with_stand_in(brokers, "latency", 8, "documents")?;
    let mut indexer = ground.start_alone(&[])?;
    // Another seed, or what is measured would be duplicates of what was not.
    load(brokers, &ground, rate, WARM_UP_SECONDS, "2")?.finish()?;
    let loadgen = load(brokers, &ground, rate, LOAD_STARTS.as_secs() + seconds, "1")?;
    std::thread::sleep(LOAD_STARTS);
    let (begun, watch) = (Instant::now(), Watch::start()?);
    let before = now(&mut indexer)?.end_to_end();
    let mut lags = Vec::new();
    // A second before its end: what comes then is measured without load.
    let end = begun + Duration::from_secs(seconds.saturating_sub(1));
    while Instant::now() < end {
        std::thread::sleep(LOOK_EVERY.min(end.saturating_duration_since(Instant::now())));
        lags.extend(now(&mut indexer)?.sum("thalweg_lag_records", ""));
    }
    let latencies = now(&mut indexer)?.end_to_end().since(&before);
    let (hiccups, seconds) = (watch.finish()?, begun.elapsed().as_secs_f64());
    let load = loadgen.stop()?;
    indexer.stop()?;
    let kept_up = lags.iter().all(|lag| *lag as f64 <= rate)
        && latencies.below_ms(0.99) <= 1_000.0
        && load.lateness_us.max < 1_000_000;
    Ok(AtRate {
        rate,
        seconds,
        records: latencies.records(),
        p50_ms: latencies.below_ms(0.5),
        p99_ms: latencies.below_ms(0.99),
        p999_ms: latencies.below_ms(0.999),
        all_ms: latencies.below_ms(1.0),
        latencies,
        lags,
        kept_up,
        hiccups,
        load,
    })
}

/// A load for so many seconds.
fn load(brokers: &str, ground: &Ground, rate: f64, seconds: u64, seed: &str) -> Result<Loadgen> {
    let (rate, seconds) = (rate.to_string(), seconds.to_string());
    let options = ["--rate", &rate, "--seconds", &seconds, "--linger-ms", LINGER_MS, "--seed", seed];
    Loadgen::start(brokers, ground.topic(), &options.map(str::to_owned))
}

/// Its metrics; that it does not answer within some seconds is an error.
fn now(indexer: &mut Instance) -> Result<Metrics> {
    indexer.until(Duration::from_secs(10), "answering", |metrics| Some(metrics.clone()))
}
