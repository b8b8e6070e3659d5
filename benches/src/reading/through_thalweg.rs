//! The engine's way: source, worker with its tracker, and an operator that touches every byte and filters the record.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use thalweg_connectors::kafka::dead_letter::DeadLetters;
use thalweg_connectors::kafka::event::{CommitOutcome, SourceEvent};
use thalweg_connectors::kafka::source::KafkaSource;
use thalweg_core::SinkSettings;
use thalweg_core::batch::Batch;
use thalweg_core::operator::{Operator, Output, Step};
use thalweg_core::position::{Epoch, PartitionId};
use thalweg_core::record::Record;
use thalweg_core::sabotage::Sound;
use thalweg_core::time::Now;
use thalweg_core::worker::{Command, CommitResult, PartitionName, Positions, Worker, WorkerSettings};

use super::arm::{ArmSettings, Done};
use super::records::PARTITIONS;
use super::touched::Touched;
use crate::waking::Waker;

/// Closing the client takes a round trip to the broker.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// Touches every byte; asks for no effect.
struct Touch<'s> {
    touched: &'s Cell<Touched>,
    /// The partitions' numbers, by id.
    numbers: &'s Cell<[i32; PARTITIONS as usize]>,
    headers: bool,
}

impl Operator for Touch<'_> {
    fn process(&mut self, record: &Record<'_>, _out: &mut Output<'_>) -> Step {
        let number = self.numbers.get().get(record.position.partition.index()).copied().unwrap_or(-1);
        let mut touched = self.touched.get();
        let mut sum = touched.record(number, record.position.offset);
        sum.field(record.key.unwrap_or_default());
        sum.field(record.value.unwrap_or_default());
        if self.headers {
            for (name, value) in record.headers.iter() {
                sum.field(name);
                sum.field(value.unwrap_or_default());
            }
        }
        sum.done();
        self.touched.set(touched);
        Step::Filtered("touched")
    }
}

/// Reads the whole topic.
pub(super) fn read(settings: &ArmSettings, ended: &mut dyn FnMut()) -> Result<Done> {
    let waker = Waker::of_this_thread();
    let (touched, numbers) = (Cell::default(), Cell::default());
    let operator = Touch { touched: &touched, numbers: &numbers, headers: settings.case.reads_headers() };
    let wake = waker.clone();
    let source =
        KafkaSource::connect(&settings.kafka(), &[&settings.topic()], Arc::new(move || wake.wake()))?;
    let letters = (Box::new(DeadLetters::new("nowhere")) as _, SinkSettings::default());
    let worker = Worker::new(WorkerSettings::default(), operator, Vec::new(), letters, 0, Sound);
    let mut drive = Drive {
        source,
        worker,
        numbers: &numbers,
        begun: Instant::now(),
        batches: 0,
        partitions: Vec::new(),
        spare: None,
    };
    let mut waits = 0;
    while touched.get().records < settings.records {
        drive.events()?;
        if !drive.batches()? {
            waits += 1;
            waker.sleep();
            drive.worker.wake(drive.now());
            drive.commands()?;
        }
    }
    ended();
    let Drive { source, batches, .. } = drive;
    if !source.close(true).wait(CLOSE_WITHIN) {
        bail!("the consumer did not close");
    }
    Ok(Done { touched: touched.get(), batches, waits })
}

struct Drive<'s> {
    source: KafkaSource,
    worker: Worker<Touch<'s>>,
    numbers: &'s Cell<[i32; PARTITIONS as usize]>,
    begun: Instant,
    batches: u64,
    partitions: Vec<PartitionId>,
    /// A batch that a read of an empty partition did not use.
    spare: Option<Batch>,
}

impl Drive<'_> {
    fn now(&self) -> Now {
        Now { uptime_ms: self.begun.elapsed().as_millis() as u64, unix_ms: 0 }
    }

    /// Reads every partition until nothing is left; answers whether there was anything.
    fn batches(&mut self) -> Result<bool> {
        let mut any = false;
        for index in 0..self.partitions.len() {
            let partition = self.partitions[index];
            let Some(limits) = self.worker.read_limits(partition) else { continue };
            let spare = self.spare.take().or_else(|| self.worker.take_spent());
            let mut batch = spare.unwrap_or_else(|| Batch::new(partition, Epoch(0)));
            if self.source.read(partition, &mut batch, limits.records, limits.bytes) > 0 {
                any = true;
                self.batches += 1;
                self.worker.batch(batch, self.now());
                self.commands()?;
            } else {
                self.spare = Some(batch);
            }
        }
        Ok(any)
    }

    fn events(&mut self) -> Result<()> {
        for event in self.source.poll_events() {
            let now = self.now();
            match event {
                SourceEvent::Assigned(ids) => {
                    let mut named = Vec::new();
                    let mut numbers = self.numbers.get();
                    for id in ids {
                        let Some((topic, number)) = self.source.partitions().name(id) else { continue };
                        named.push((id, PartitionName { topic: topic.into(), number }));
                        numbers[id.index()] = number;
                    }
                    self.numbers.set(numbers);
                    self.worker.assigned(named, now);
                }
                SourceEvent::Positions { fetch, found } => {
                    let positions = found.into_iter().map(|found| Positions {
                        partition: found.partition,
                        committed: found.committed,
                        low: found.low,
                        high: found.high,
                    });
                    self.worker.positioned(fetch, positions.collect(), now);
                }
                SourceEvent::Committed { outcome, .. } => {
                    let result = match outcome {
                        CommitOutcome::Committed => CommitResult::Done,
                        CommitOutcome::Fenced(why) => CommitResult::Fenced(why),
                        CommitOutcome::Failed(why) => CommitResult::Failed(why),
                    };
                    self.worker.committed(result, now);
                }
                SourceEvent::Warning(text) => eprintln!("warning: {text}"),
                event => bail!("unexpected: {event:?}"),
            }
        }
        self.commands()
    }

    fn commands(&mut self) -> Result<()> {
        while let Some(command) = self.worker.poll() {
            match command {
                Command::FetchPositions { fetch, partitions } => {
                    self.source.fetch_positions(fetch, &partitions);
                }
                Command::Read(reads) => {
                    self.partitions.extend(reads.iter().map(|read| read.partition));
                    let starts: Vec<_> =
                        reads.iter().map(|read| (read.partition, read.epoch, read.offset)).collect();
                    self.source.start(&starts);
                }
                Command::Commit(entries) => {
                    let entries = entries.into_iter();
                    self.source.commit(
                        entries.map(|entry| (entry.partition, entry.position, entry.metadata)).collect(),
                    );
                }
                Command::Warn(text) => eprintln!("warning: {text}"),
                command => bail!("unexpected: {command:?}"),
            }
        }
        Ok(())
    }
}
