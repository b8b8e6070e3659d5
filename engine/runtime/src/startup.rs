//! What must be so before a flow begins, looked at one after the other, each with an error that says what to do.

use std::time::Duration;

use thalweg_connectors::kafka::topics::{Kept, TopicError, TopicShape, Topics};

use crate::commands::Commands;
use crate::exit::ExitError;
use crate::flow::{Flow, Log};
use crate::settings::SettingError;

/// How long a broker may take to answer: a healthy one takes milliseconds.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Checks settings; nothing connects.
pub(crate) fn check(flow: &Flow) -> Result<(), SettingError> {
    flow.source.check()?;
    flow.work.check()?;
    flow.commands.as_ref().map_or(Ok(()), Commands::check)?;
    flow.sinks.plans.iter().try_for_each(|(_, sink)| sink.check())
}

/// A connection for looking at topics.
pub(crate) fn connect(flow: &Flow) -> Result<Topics, ExitError> {
    Topics::connect(&flow.source.settings, TIMEOUT).map_err(ExitError::failed)
}

/// What the flow's topic is right now. Blocks.
pub(crate) fn look_at_log(topics: &Topics, topic: &str) -> Result<Log, ExitError> {
    let found = topics.describe(topic).map_err(ExitError::failed)?;
    Ok(Log { topic: topic.to_owned(), topic_id: found.id, partitions: found.partitions })
}

/// Makes sure that there is a topic for dead letters with enough partitions; answers its name. Blocks.
pub(crate) fn ensure_dead_letter_topic(flow: &Flow, topics: &Topics, log: &Log) -> Result<String, ExitError> {
    let name = flow.dead_letters.topic_for(&flow.source.topic);
    let shape = TopicShape {
        partitions: log.partitions,
        kept: Kept::For(flow.dead_letters.retention_ms),
        // A letter is larger than its original by its headers.
        record_bytes_max: Some(RECORD_BYTES_MAX + HEADER_BYTES_MAX),
        replicas: None,
    };
    let ensured = match topics.ensure(&name, shape) {
        // A letter goes to the partition number that its original had, so the topic grows with the source's.
        Err(TopicError::TooFewPartitions { partitions, needed, .. }) => {
            tracing::info!("adding partitions to {name}: it has {partitions}, and {needed} are needed");
            topics.add_partitions(&name, needed)
        }
        ensured => ensured.map(|_| ()),
    };
    ensured.map_err(|error| ExitError::Failed(format!("the dead letters: {error}")))?;
    Ok(name)
}

/// The largest record batch that brokers take unless told otherwise.
pub(crate) const RECORD_BYTES_MAX: u32 = 1_048_588;

/// Room for what a dead letter says beside its original.
const HEADER_BYTES_MAX: u32 = 64 << 10;

/// Prepares every sink.
pub(crate) async fn prepare_sinks(flow: &Flow, log: &Log) -> Result<(), ExitError> {
    for (_, sink) in &flow.sinks.plans {
        sink.prepare(log).await?;
    }
    Ok(())
}
