//! The bare arm of `counting`: batch reads on partition queues, the same parser, the same tally.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use thalweg_benches::sequenced;
use thalweg_benches::tally::Tally;
use thalweg_connectors::kafka::properties;
use thalweg_connectors::kafka::settings::{GroupSettings, KafkaSettings};

use super::arm::Job;
use crate::batch_queue::BatchQueue;
use crate::reading::whole_topic;
use crate::topic::partitions;
use crate::waking::Waker;

/// Counts the whole topic, and reports.
pub(super) fn count(job: &Job) -> Result<()> {
    let group = GroupSettings { id: job.group.clone(), ..GroupSettings::default() };
    let kafka = KafkaSettings { brokers: job.brokers.clone(), group, ..KafkaSettings::default() };
    let mut config = ClientConfig::new();
    for (name, value) in properties::of_consumer(&kafka) {
        config.set(name, value);
    }
    let partitions = partitions(&job.brokers, &job.topic)?;
    let consumer: BaseConsumer = config.create()?;
    let waker = Waker::of_this_thread();
    let mut queues: Vec<BatchQueue<'_>> = (0..partitions)
        .map(|partition| BatchQueue::of(&consumer, &job.topic, partition, &waker))
        .collect::<Result<_>>()?;
    consumer.assign(&whole_topic(&job.topic, partitions)?)?;
    let mut tally = Tally::default();
    while tally.records() < job.records {
        let mut any = false;
        for queue in &mut queues {
            any |= queue.read(|message| {
                let (key, sequence) = sequenced::parse(message.key(), message.value())?;
                tally.see(key, sequence);
                Ok(())
            })? > 0;
        }
        if !any {
            if let Some(event) = consumer.poll(Duration::ZERO) {
                bail!("unexpected: {:?}", event.map(|_| "a record beside its queue"));
            }
            waker.sleep();
        }
    }
    let finished = tally.finish().context("a topic without records has nothing to count")?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&finished)?)?;
    Ok(())
}
