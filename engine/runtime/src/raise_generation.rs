//! The command `raise-generation`: goes on with a topic that was made anew or has other partitions, without losing
//! writes.
//!
//! Versions are offsets, so what comes from the new log would lose against what the old one wrote, until a later
//! generation is recorded with the sink. That must not happen before all of the old log is applied, nor while a worker
//! of the old generation runs. So the command joins the group, waits until every partition is its own (then nobody
//! else runs), reads the old partitions to their end, commits, and only then raises the generation. A topic that was made
//! anew has no old partitions; all of it is read from its first record.

use std::sync::Arc;
use std::time::Duration;

use thalweg_connectors::kafka::topics::Topics;

use crate::drive::OldPartitions;
use crate::exit::ExitError;
use crate::flow::{Flow, Log};

/// A killed member counts until its session has timed out: 45 s unless set otherwise.
const SESSION_MS: u32 = 45_000;

/// What joining takes beyond that.
const JOIN_MS: u32 = 15_000;

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing: every sink was written from this log.
    Nothing,
    /// Reads what is left of the log that the sinks were written from, then raises.
    Drain {
        /// That log.
        before: Log,
        /// Which partitions of it are still there.
        partitions: OldPartitions,
    },
}

/// Compares what the sinks were written from with the topic as it is.
pub(crate) async fn plan(flow: &Flow, log: &Log) -> Result<Step, ExitError> {
    let mut before: Option<Log> = None;
    for (_, sink) in &flow.sinks.plans {
        let Some(recorded) = sink.recorded_log().await? else { continue };
        if before.as_ref().is_some_and(|known| *known != recorded) {
            return Err(ExitError::Failed("the flow's sinks were written from different logs".to_owned()));
        }
        before = Some(recorded);
    }
    let Some(before) = before.filter(|before| before != log) else { return Ok(Step::Nothing) };
    // A topic that was made anew has nothing left of the old log.
    let same = before.topic == log.topic && before.topic_id == log.topic_id;
    let old = if same { before.partitions.min(log.partitions) } else { 0 };
    let session_ms = flow.source.settings.group.session_timeout_ms.unwrap_or(SESSION_MS);
    let patience_ms = u64::from(session_ms.saturating_add(JOIN_MS));
    let partitions = OldPartitions { old, all: log.partitions, patience_ms };
    Ok(Step::Drain { before, partitions })
}

/// With a topic that was made anew, begins with its first record, whatever the group has committed: a flow that still ran
/// while the topic was replaced may have read some of it, and written it with versions of the old generation.
pub(crate) async fn begin_again(
    topics: &Arc<Topics>,
    log: &Log,
    partitions: OldPartitions,
) -> Result<(), ExitError> {
    if partitions.old > 0 {
        return Ok(());
    }
    let (topics, log) = (Arc::clone(topics), log.clone());
    let patience = Duration::from_millis(partitions.patience_ms);
    let begun = move || topics.begin_again(&log.topic, log.partitions, patience);
    let begun = tokio::task::spawn_blocking(begun).await.map_err(ExitError::failed)?;
    begun.map_err(|error| ExitError::Failed(format!("the group can't begin anew: {error}")))
}

/// Raises every sink's generation; answers what was done.
pub(crate) async fn raise(flow: &Flow, log: &Log) -> Result<String, ExitError> {
    let mut done = String::new();
    for (_, sink) in &flow.sinks.plans {
        if let Some(what) = sink.raise_generation(log).await? {
            done += &format!("{what}\n");
        }
    }
    Ok(done)
}
