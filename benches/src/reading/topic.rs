//! The topics that are read: filled once, used again by later runs.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::topic::held;

use super::records::{Content, HEADER_NAMES, PARTITIONS, place};

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long the last records may take to be acknowledged.
const FLUSH_WITHIN: Duration = Duration::from_secs(60);

/// The topic's name; it says all that decides its content.
pub(super) fn name(records: u64, headers: bool) -> String {
    let headers = if headers { "three-headers" } else { "no-headers" };
    format!("thalweg-bench-reading-{headers}-{records}")
}

/// Makes and fills the topic unless it is there.
pub(super) fn ensure(brokers: &str, records: u64, headers: bool) -> Result<()> {
    let name = name(records, headers);
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    if held(brokers, &name)? == Some(records) {
        return Ok(());
    }
    eprintln!("filling {name} ...");
    create(&config, &name).with_context(|| format!("can't make topic {name} at {brokers}"))?;
    if held(brokers, &name)? != Some(0) {
        bail!("topic {name} holds other records than the run needs: delete it");
    }
    fill(&config, &name, records, headers)?;
    match held(brokers, &name)? {
        Some(found) if found == records => Ok(()),
        found => bail!("topic {name} should hold {records} records, and holds {found:?}"),
    }
}

fn create(config: &ClientConfig, topic: &str) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = config.create()?;
    let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1)).set("retention.ms", "604800000");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let options = AdminOptions::new().operation_timeout(Some(ANSWER_WITHIN));
    for answer in runtime.block_on(admin.create_topics([&new], &options))? {
        match answer {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => bail!(code),
        }
    }
    Ok(())
}

fn fill(config: &ClientConfig, topic: &str, records: u64, headers: bool) -> Result<()> {
    let mut config = config.clone();
    config.set("compression.type", "lz4").set("enable.idempotence", "true").set("linger.ms", "50");
    let producer: BaseProducer = config.create()?;
    let mut content = Content::default();
    for number in 0..records {
        content.become_record(number);
        let mut record = BaseRecord::<[u8], [u8]>::to(topic)
            .partition(place(number).0)
            .key(content.key.as_slice())
            .payload(content.value.as_slice());
        if headers {
            let pairs = HEADER_NAMES.iter().zip(&content.headers);
            record = record.headers(pairs.fold(OwnedHeaders::new_with_capacity(3), |all, (key, value)| {
                all.insert(Header { key, value: Some(value) })
            }));
        }
        send(&producer, record)?;
    }
    producer.flush(FLUSH_WITHIN)?;
    Ok(())
}

fn send(producer: &BaseProducer, record: BaseRecord<'_, [u8], [u8]>) -> Result<()> {
    let mut unsent = record;
    loop {
        match producer.send(unsent) {
            Ok(()) => {
                producer.poll(Duration::ZERO);
                return Ok(());
            }
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), record)) => {
                unsent = record;
                producer.poll(Duration::from_millis(20));
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}
