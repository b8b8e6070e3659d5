//! The topic exists before the first record is sent.

use crate::brokers::Brokers;
use anyhow::{Context, Result, anyhow, bail};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;
use std::time::Duration;

/// A broker that doesn't answer within this is taken for unreachable.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// What a new topic gets when nobody says how many.
const PARTITIONS_DEFAULT: i32 = 8;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// What the topic should be like.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// Its name.
    pub topic: &'a str,
    /// How many partitions; none: what it has, or 8.
    pub partitions: Option<i32>,
    /// How long it keeps records, if it has to be made.
    pub retention_days: u32,
    /// How many brokers keep a copy, if it has to be made.
    pub replicas: i32,
}

/// Makes the topic unless it is there, and says how many partitions it has.
///
/// # Errors
/// When no broker answers, the topic can't be made, or it is there with another number of partitions than asked
/// for.
pub fn ensure(brokers: &Brokers, wanted: &Wanted<'_>) -> Result<i32> {
    let admin: AdminClient<DefaultClientContext> = brokers.config(&[]).create()?;
    let topic = wanted.topic;
    let metadata = admin
        .inner()
        .fetch_metadata(Some(topic), ANSWER_WITHIN)
        .with_context(|| format!("no broker answered at {} (--brokers or KAFKA_BROKERS)", brokers.brokers))?;
    let existing = metadata.topics().first().map_or(0, |found| found.partitions().len());
    let existing = i32::try_from(existing)?;
    match wanted.partitions {
        None if existing > 0 => Ok(existing),
        Some(asked) if existing > 0 && existing != asked => bail!(
            "topic {topic} has {existing} partitions, not {asked}: leave --partitions out, or use another topic \
             (partitions can't be taken away, and adding some moves keys to other partitions)"
        ),
        Some(_) if existing > 0 => Ok(existing),
        asked => {
            let partitions = asked.unwrap_or(PARTITIONS_DEFAULT);
            create(&admin, wanted, partitions)?;
            Ok(partitions)
        }
    }
}

fn create(admin: &AdminClient<DefaultClientContext>, wanted: &Wanted<'_>, partitions: i32) -> Result<()> {
    let topic = wanted.topic;
    let retention_ms = (u64::from(wanted.retention_days) * DAY_MS).to_string();
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(wanted.replicas))
        .set("retention.ms", &retention_ms);
    let options = AdminOptions::new().operation_timeout(Some(ANSWER_WITHIN));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answers = runtime.block_on(admin.create_topics([&new], &options))?;
    for answer in answers {
        match answer {
            // Somebody else was faster.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(anyhow!(code).context(format!("can't make topic {topic}"))),
        }
    }
    Ok(())
}
