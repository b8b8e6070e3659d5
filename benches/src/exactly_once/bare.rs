//! The bare arm: a loop over the client alone that writes the same records. It reads in batches, tells duplicates by a table
//! of hashes, counts in another one, and commits copies, counts, changelog and offsets in one transaction: at once when there
//! is nothing more to read, else after the interval. It restores nothing, survives nothing, and has no group.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use hashbrown::HashMap;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use thalweg_connectors::kafka::properties;
use thalweg_connectors::kafka::settings::{GroupSettings, KafkaSettings};

use super::arm::Job;
use super::bare_client::{Topic, commit, take_headers};
use crate::batch_queue::{BatchQueue, Message};
use crate::reading::whole_topic;
use crate::topic::partitions;
use crate::waking::Waker;

const COORDINATOR: Duration = Duration::from_secs(30);

/// Runs until it is asked to end.
pub(crate) fn run(job: &Job) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&stop))?;
    let kafka = settings(job);
    let consumer: BaseConsumer = config(properties::of_consumer(&kafka)).create()?;
    let mut config = config(properties::of_producer(&kafka, u32::MAX));
    config.set("transactional.id", &job.group).set("transaction.timeout.ms", "10000");
    config.set("message.timeout.ms", "10000").set("delivery.report.only.error", "true");
    // As the engine and the Java client do.
    config.set("partitioner", "murmur2_random");
    let producer: BaseProducer = config.create()?;
    producer.init_transactions(COORDINATOR)?;
    let partitions = partitions(&job.brokers, &job.source)?;
    let waker = Waker::of_this_thread();
    let mut queues: Vec<BatchQueue<'_>> = (0..partitions)
        .map(|partition| BatchQueue::of(&consumer, &job.source, partition, &waker))
        .collect::<Result<_>>()?;
    consumer.assign(&whole_topic(&job.source, partitions)?)?;
    let mut copier = Copier::new(job, &producer, partitions)?;
    while !stop.load(Ordering::Relaxed) {
        let mut any = false;
        for (queue, partition) in queues.iter_mut().zip(0..) {
            any |= queue.read(|message| copier.copy(partition, message))? > 0;
            copier.commit_if(&consumer, false)?;
        }
        if !any {
            copier.commit_if(&consumer, true)?;
            if let Some(event) = consumer.poll(Duration::ZERO) {
                bail!("unexpected: {:?}", event.map(|_| "a record beside its queue"));
            }
            waker.sleep();
        }
    }
    copier.commit_if(&consumer, true)
}

fn settings(job: &Job) -> KafkaSettings {
    let group = GroupSettings { id: job.group.clone(), ..GroupSettings::default() };
    KafkaSettings { brokers: job.brokers.clone(), group, ..KafkaSettings::default() }
}

fn config(properties: properties::Properties) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (name, value) in properties {
        config.set(name, value);
    }
    config
}

/// What is known of a partition.
#[derive(Default)]
struct Known {
    /// By the hash of an id: the offset at which it was seen last.
    seen: HashMap<u64, i64, foldhash::fast::FixedState>,
    /// The same in the order of offsets, to forget what is too far back.
    order: VecDeque<(i64, u64)>,
    next_offset: i64,
    touched: bool,
}

/// A key's count, and whether the open transaction has changed it.
struct Count {
    count: u64,
    partition: i32,
    changed: bool,
}

struct Copier<'p> {
    job: Job,
    producer: &'p BaseProducer,
    copies: Topic<'p>,
    counts: Topic<'p>,
    changelog: Topic<'p>,
    known: Vec<Known>,
    counted: HashMap<Vec<u8>, Count, foldhash::fast::FixedState>,
    changed: Vec<Vec<u8>>,
    begun: Option<Instant>,
}

impl<'p> Copier<'p> {
    fn new(job: &Job, producer: &'p BaseProducer, partitions: i32) -> Result<Self> {
        Ok(Self {
            copies: Topic::find(producer, &job.copies)?,
            counts: Topic::find(producer, &job.counts)?,
            changelog: Topic::find(producer, &job.changelog)?,
            job: job.clone(),
            producer,
            known: (0..partitions).map(|_| Known::default()).collect(),
            counted: HashMap::default(),
            changed: Vec::new(),
            begun: None,
        })
    }

    fn copy(&mut self, partition: usize, message: &Message<'_>) -> Result<()> {
        if self.begun.is_none() {
            self.producer.begin_transaction()?;
            self.begun = Some(Instant::now());
        }
        let known = self.known.get_mut(partition).context("there is such a partition")?;
        let (id, headers) = take_headers(message)?;
        if known.is_duplicate(id, message.offset(), self.job.window) {
            return Ok(());
        }
        let key = message.key().context("a record has no key")?;
        self.copies.send(None, key, message.value().unwrap_or_default(), Some(headers))?;
        let number = message.partition();
        let counted =
            self.counted.entry_ref(key).or_insert(Count { count: 0, partition: number, changed: false });
        counted.count += 1;
        if !counted.changed {
            counted.changed = true;
            self.changed.push(key.to_vec());
        }
        let mut text = [0; 20];
        self.counts.send(None, key, decimal(counted.count, &mut text), None)
    }

    /// Ends the transaction if it is open, and has lasted for the interval or should end `now`.
    fn commit_if(&mut self, consumer: &BaseConsumer, now: bool) -> Result<()> {
        let interval = Duration::from_millis(self.job.commit_interval_ms);
        let Some(begun) = self.begun else { return Ok(()) };
        if !now && begun.elapsed() < interval {
            return Ok(());
        }
        for key in self.changed.drain(..) {
            let Some(counted) = self.counted.get_mut(&key) else { continue };
            counted.changed = false;
            self.changelog.send(Some(counted.partition), &key, &counted.count.to_le_bytes(), None)?;
        }
        let mut offsets = TopicPartitionList::new();
        for (known, partition) in self.known.iter_mut().zip(0..) {
            if std::mem::take(&mut known.touched) {
                offsets.add_partition_offset(
                    &self.job.source,
                    partition,
                    Offset::Offset(known.next_offset),
                )?;
            }
        }
        let group = consumer.group_metadata().context("the client is of a group")?;
        self.producer.send_offsets_to_transaction(&offsets, &group, COORDINATOR)?;
        commit(self.producer)?;
        self.begun = None;
        Ok(())
    }
}

impl Known {
    /// Whether the id was seen within the window below; notes it.
    fn is_duplicate(&mut self, id: u64, offset: i64, window: u64) -> bool {
        (self.next_offset, self.touched) = (offset + 1, true);
        let oldest = offset.saturating_sub_unsigned(window);
        while let Some((at, old)) = self.order.front().copied().filter(|(at, _)| *at < oldest) {
            self.order.pop_front();
            if self.seen.get(&old) == Some(&at) {
                self.seen.remove(&old);
            }
        }
        self.order.push_back((offset, id));
        self.seen.insert(id, offset).is_some()
    }
}

/// A number in decimal.
fn decimal(mut number: u64, into: &mut [u8; 20]) -> &[u8] {
    let mut start = into.len();
    loop {
        start -= 1;
        into[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &into[start..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_told_within_the_window() {
        let mut known = Known::default();
        assert!(!known.is_duplicate(7, 0, 10));
        assert!(known.is_duplicate(7, 10, 10), "refreshed by every sighting");
        assert!(known.is_duplicate(7, 20, 10));
        assert!(!known.is_duplicate(7, 31, 10));
        assert_eq!((known.next_offset, known.seen.len(), known.order.len()), (32, 1, 1));
    }

    #[test]
    fn numbers_are_written_in_decimal() {
        for number in [0, 7, 10, 1_234_567_890, u64::MAX] {
            assert_eq!(decimal(number, &mut [0; 20]), number.to_string().as_bytes());
        }
    }
}
