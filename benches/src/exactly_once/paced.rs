//! An arm keeps up with a load: how late a reader of what is committed has its copies, from the time at which a record was
//! due to be written, and what that costs.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use hdrhistogram::Histogram;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use serde::Serialize;

use super::arm::Arm;
use super::backlog::with_id;
use super::judge::Judge;
use super::offsets::{read_to_end, reader};
use super::process::{Mark, Process};
use super::records::{Numbered, Written};
use super::scene::{Scene, Told};
use crate::topic;

/// Who has not copied everything so long after the last record was due never will.
const END_WITHIN: Duration = Duration::from_secs(120);

/// How long the load's producer may wait to fill a batch, part of what is measured: as in the benchmark `latency`.
const LINGER_MS: &str = "2";

const LOOK: Duration = Duration::from_millis(20);

/// A copy that is later counts as so late.
const LATEST_US: u64 = 600_000_000;

/// How fast, and how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Records due per second.
    pub(super) rate: u64,
    /// Not measured: connections, the group, a JVM that compiles.
    pub(super) warm_seconds: u64,
    /// Measured after that.
    pub(super) seconds: u64,
}

impl Pace {
    fn records(self) -> u64 {
        self.rate * (self.warm_seconds + self.seconds)
    }

    fn due(self, begun: Instant, number: u64) -> Instant {
        begun + Duration::from_secs_f64(number as f64 / self.rate as f64)
    }
}

/// What was seen.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Kept {
    pub(super) records: u64,
    /// From due to seen by the reader, in ms.
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) p999_ms: f64,
    pub(super) max_ms: f64,
    /// Of the whole process, while that was measured.
    pub(super) cpu_seconds_per_million: f64,
    pub(super) memory_peak_mb: u64,
    /// Copies that were compared.
    pub(super) copies: u64,
}

/// Runs the arm under the load, and compares what it has written.
pub(super) fn keep_up(arm: Arm, numbered: &Numbered, told: &Told, pace: Pace) -> Result<Kept> {
    let source = format!("thalweg-bench-paced-{}-{}", std::process::id(), fastrand::u32(..));
    topic::make(&told.brokers, &source, numbered.partitions)?;
    let kept = Scene::new(arm, &source, numbered.partitions, told)
        .and_then(|scene| with_load(arm, &scene, numbered, pace));
    topic::delete(&told.brokers, &[&source])?;
    kept
}

fn with_load(arm: Arm, scene: &Scene, numbered: &Numbered, pace: Pace) -> Result<Kept> {
    let job = &scene.job;
    let mut process = Process::start(arm, job)?;
    let begun = Instant::now();
    let mut follower = Follower::new(numbered, pace, begun)?;
    let [warm, ended] = std::thread::scope(|scope| -> Result<[Mark; 2]> {
        let load = scope.spawn(|| write(&job.brokers, &job.source, numbered, pace, begun));
        let followed = follower.follow(scene, &mut process);
        let loaded = load.join().map_err(|_| anyhow!("the load panicked"))?;
        loaded.context("the load")?;
        followed
    })?;
    let memory_peak_mb = process.memory_peak_mb()?;
    process.stop()?;
    let Follower { mut judge, late_us, .. } = follower;
    read_to_end(&job.brokers, &job.counts, numbered.partitions, |key, value| judge.see_count(key, value))?;
    let held: Vec<_> =
        (0..numbered.partitions).map(|partition| numbered.held(pace.records(), partition)).collect();
    let verdict = judge.verdict(&held);
    if !verdict.ok() {
        bail!("what it wrote is wrong: {verdict:#?}");
    }
    let records = pace.rate * pace.seconds;
    let at = |share: f64| late_us.value_at_quantile(share) as f64 / 1e3;
    Ok(Kept {
        records,
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        p999_ms: at(0.999),
        max_ms: late_us.max() as f64 / 1e3,
        cpu_seconds_per_million: (ended.cpu_seconds - warm.cpu_seconds) * 1e6 / records as f64,
        memory_peak_mb,
        copies: verdict.copies,
    })
}

/// Writes every record when it is due.
fn write(brokers: &str, source: &str, numbered: &Numbered, pace: Pace, begun: Instant) -> Result<()> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("enable.idempotence", "true");
    config.set("compression.type", "lz4").set("linger.ms", LINGER_MS);
    let producer: ThreadedProducer<DefaultProducerContext> = config.create()?;
    let mut record = Written::default();
    for number in 0..pace.records() {
        let left = pace.due(begun, number).saturating_duration_since(Instant::now());
        if !left.is_zero() {
            std::thread::sleep(left.max(Duration::from_millis(1)));
        }
        numbered.write(number, &mut record);
        let Written { partition, key, value, id } = &record;
        loop {
            let sent = BaseRecord::to(source).partition(*partition).key(&key[..]).payload(&value[..]);
            match producer.send(sent.headers(with_id(id))) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }
    Ok(producer.flush(END_WITHIN)?)
}

/// Reads copies as they come.
struct Follower<'n> {
    numbered: &'n Numbered,
    pace: Pace,
    begun: Instant,
    judge: Judge<'n>,
    late_us: Histogram<u64>,
    right: u64,
}

impl<'n> Follower<'n> {
    fn new(numbered: &'n Numbered, pace: Pace, begun: Instant) -> Result<Self> {
        let late_us = Histogram::new_with_bounds(1, LATEST_US, 3)?;
        Ok(Self { numbered, pace, begun, judge: Judge::new(numbered), late_us, right: 0 })
    }

    /// Until all copies are there; answers how far the process was when measuring began, and when the last record was due.
    fn follow(&mut self, scene: &Scene, process: &mut Process) -> Result<[Mark; 2]> {
        let (job, pace) = (&scene.job, self.pace);
        let reader = reader(&job.brokers, &job.copies, self.numbered.partitions)?;
        let warm_records = pace.rate * pace.warm_seconds;
        let mut to_mark = vec![pace.records(), warm_records];
        let mut marks = Vec::with_capacity(2);
        let originals = self.numbered.originals_among(pace.records());
        while self.right < originals || !to_mark.is_empty() {
            if to_mark.last().is_some_and(|records| pace.due(self.begun, *records) <= Instant::now()) {
                marks.push(process.mark(to_mark.pop().unwrap_or_default())?);
            }
            if let Some(message) = reader.poll(LOOK) {
                let message = message?;
                self.see(message.key(), message.payload(), warm_records);
            }
            if Instant::now() > pace.due(self.begun, pace.records()) + END_WITHIN {
                bail!(
                    "{END_WITHIN:?} after the last record was due {} of {originals} copies are right",
                    self.right
                );
            }
        }
        <[Mark; 2]>::try_from(marks).map_err(|marks| anyhow!("{} marks instead of two", marks.len()))
    }

    fn see(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, warm_records: u64) {
        let Some(number) = self.judge.see_copy(key, value) else { return };
        self.right += 1;
        if number >= warm_records {
            let late = self.pace.due(self.begun, number).elapsed();
            self.late_us.saturating_record(u64::try_from(late.as_micros()).unwrap_or(u64::MAX).max(1));
        }
    }
}
