//! Looks from time to time whether the topic is still the one the flow began with.

use std::sync::Arc;
use std::time::Duration;

use crate::drive::Plan;
use crate::exit::ExitError;
use crate::flow::Log;
use crate::startup;

/// Ends when the topic was made anew or has another number of partitions, with the error that says what to do.
///
/// A broker that does not answer is no change.
pub(crate) async fn until_changed<O: 'static>(plan: &Arc<Plan<O>>) -> ExitError {
    let mut ticks = tokio::time::interval(Duration::from_millis(plan.engine.topic_check_interval_ms));
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let looked = look(plan).await;
        match looked {
            Ok(found) if found != plan.log => return changed(plan, &found).await,
            Ok(_) => {}
            Err(error) => tracing::warn!("the topic could not be looked at: {error}"),
        }
    }
}

/// A worker was given a partition that was not there when the flow began: what is to be said about it.
pub(crate) async fn grown<O: 'static>(plan: &Arc<Plan<O>>) -> ExitError {
    match look(plan).await {
        Ok(found) => changed(plan, &found).await,
        Err(error) => error,
    }
}

async fn look<O: 'static>(plan: &Arc<Plan<O>>) -> Result<Log, ExitError> {
    let (topics, topic) = (Arc::clone(&plan.topics), plan.log.topic.clone());
    let looked = tokio::task::spawn_blocking(move || startup::look_at_log(&topics, &topic)).await;
    looked.unwrap_or_else(|error| Err(ExitError::failed(error)))
}

/// The sinks know what the change means to them; if none minds, the flow still has to begin anew.
async fn changed<O>(plan: &Plan<O>, found: &Log) -> ExitError {
    match startup::prepare_sinks(&plan.flow, found).await {
        Err(error) => error,
        Ok(()) => ExitError::Failed(change(&plan.log, found)),
    }
}

/// What has changed, for people.
fn change(before: &Log, found: &Log) -> String {
    let topic = &before.topic;
    let (was, is) = (before.partitions, found.partitions);
    if before.topic_id == found.topic_id {
        return format!(
            "the topic {topic} had {was} partitions when the flow began, and has {is}: start again"
        );
    }
    format!("the topic {topic} was made anew while the flow ran: start again")
}
