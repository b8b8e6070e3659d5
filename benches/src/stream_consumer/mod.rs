//! A peer: `StreamConsumer`, `serde_json` and tokio tasks, written the ordinary way.
//!
//! It is rdkafka's own example of at-least-once delivery: the client commits every five seconds what was stored, and a
//! record's offset is stored when everything up to it is finished. Records that are counted are done one after the
//! other; of those that wait, as many as there are at hand are taken together, a task for each key.

mod finished;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::StreamExt as _;
use rdkafka::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::{BorrowedMessage, Message};
use serde::Deserialize;
use tokio::task::JoinSet;

use finished::Finished;

/// What a record that waits waits for.
const WAIT: Duration = Duration::from_millis(1);

/// What the arm is told, as every arm is.
#[derive(Debug, clap::Args)]
pub(crate) struct ArmSettings {
    #[arg(long, value_enum)]
    workload: Workload,
    #[arg(long)]
    brokers: String,
    #[arg(long)]
    topic: String,
    #[arg(long)]
    group: String,
    /// How many records the topic holds.
    #[arg(long)]
    records: u64,
    /// How many keys they have; taken as all arms take it, and not needed.
    #[arg(long)]
    keys: Option<u64>,
    /// Settings of the client, for what was tried besides: `--client fetch.queue.backoff.ms=1000`.
    #[arg(long)]
    client: Vec<String>,
    /// Records taken together when they wait.
    #[arg(long, default_value_t = 5000)]
    chunk_records: usize,
}

/// What happens to a record once it is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Workload {
    /// It is counted.
    Counting,
    /// It waits for a timer of one millisecond, and is counted then.
    Waiting,
}

/// A record's value. `sequence` counts from 0 for each key, in the order of the log.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "a program would use every field")]
struct MessageEvent {
    r#type: String,
    sequence: u64,
    key: String,
    tenant_id: String,
    content: String,
}

/// Reads the topic, and prints what it took.
pub(crate) fn run_arm(settings: &ArmSettings) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let consumer = consumer(settings)?;
        match settings.workload {
            Workload::Counting => count(&consumer, settings).await,
            Workload::Waiting => wait(&consumer, settings).await,
        }
    })
}

fn consumer(settings: &ArmSettings) -> Result<StreamConsumer> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.brokers)
        .set("group.id", &settings.group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "true")
        .set("auto.commit.interval.ms", "5000")
        .set("enable.auto.offset.store", "false")
        // The default is a second without a fetch once the client has enough: five times slower here.
        .set("fetch.queue.backoff.ms", "10");
    for setting in &settings.client {
        let (name, value) = setting.split_once('=').context("--client takes NAME=VALUE")?;
        config.set(name, value);
    }
    let consumer: StreamConsumer = config.create()?;
    consumer.subscribe(&[&settings.topic])?;
    Ok(consumer)
}

async fn count(consumer: &StreamConsumer, settings: &ArmSettings) -> Result<()> {
    let mut finished = Finished::new(settings.records);
    loop {
        let message = consumer.recv().await?;
        finished.begin();
        finished.finish(&parse(&message)?);
        consumer.store_offset_from_message(&message)?;
        if let Some(report) = finished.report() {
            return report.print();
        }
    }
}

async fn wait(consumer: &StreamConsumer, settings: &ArmSettings) -> Result<()> {
    let finished = Arc::new(tokio::sync::Mutex::new(Finished::new(settings.records)));
    let mut chunks = consumer.stream().ready_chunks(settings.chunk_records);
    while let Some(chunk) = chunks.next().await {
        let messages = chunk.into_iter().collect::<Result<Vec<_>, _>>()?;
        finished.lock().await.begin();
        let mut by_key: HashMap<Vec<u8>, Vec<MessageEvent>> = HashMap::new();
        for message in &messages {
            by_key.entry(message.key().unwrap_or_default().to_vec()).or_default().push(parse(message)?);
        }
        let mut tasks = JoinSet::new();
        for events in by_key.into_values() {
            tasks.spawn(wait_one_by_one(events, Arc::clone(&finished)));
        }
        while let Some(ended) = tasks.join_next().await {
            ended.context("a task failed")?;
        }
        for message in &messages {
            consumer.store_offset_from_message(message)?;
        }
        if let Some(report) = finished.lock().await.report() {
            return report.print();
        }
    }
    bail!("the stream of records ended")
}

async fn wait_one_by_one(events: Vec<MessageEvent>, finished: Arc<tokio::sync::Mutex<Finished>>) {
    for event in events {
        tokio::time::sleep(WAIT).await;
        finished.lock().await.finish(&event);
    }
}

fn parse(message: &BorrowedMessage<'_>) -> Result<MessageEvent> {
    let parsed = serde_json::from_slice(message.payload().unwrap_or_default());
    parsed.with_context(|| format!("partition {}, offset {}", message.partition(), message.offset()))
}
