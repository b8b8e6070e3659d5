//! Looks from time to time whether the topic is still the one the flow began with.

use std::sync::Arc;
use std::time::Duration;

use thalweg_connectors::kafka::topics::TopicError;

use crate::drive::Plan;
use crate::exit::ExitError;
use crate::flow::Log;
use crate::startup;

/// Ends when the topic was made anew or has another number of partitions, with the error that says what to do.
///
/// A broker that does not answer is no change.
pub(crate) async fn until_changed(plan: &Arc<Plan>) -> ExitError {
    let mut ticks = tokio::time::interval(Duration::from_millis(plan.engine.topic_check_interval_ms));
    ticks.tick().await;
    loop {
        ticks.tick().await;
        match look(plan, &plan.log.topic).await {
            Ok(found) if found.as_ref() != Some(&plan.log) => match found {
                Some(found) => return changed(plan, &found).await,
                None => tracing::warn!("the topic {} is not there (any more)", plan.log.topic),
            },
            Ok(_) => {}
            Err(error) => tracing::warn!("the topic could not be looked at: {error}"),
        }
        if let Some(error) = changelog_changed(plan).await {
            return error;
        }
    }
}

/// A worker was given a partition that was not there when the flow began: what is to be said about it.
pub(crate) async fn grown(plan: &Arc<Plan>) -> ExitError {
    match look(plan, &plan.log.topic).await {
        Ok(Some(found)) => changed(plan, &found).await,
        Ok(None) => ExitError::Failed(format!("the topic {} is not there any more", plan.log.topic)),
        Err(error) => error,
    }
}

/// What is written to another topic of the same name than the one that state was restored from would be all that is left
/// of it.
async fn changelog_changed(plan: &Arc<Plan>) -> Option<ExitError> {
    let before = plan.changelog.as_ref()?;
    match look(plan, &before.topic).await {
        Ok(Some(found)) if found == *before => None,
        Ok(found) => {
            let what = if found.is_some() { "is not the one" } else { "is not there as it was" };
            Some(ExitError::Failed(format!(
                "the changelog {} {what} when the flow began: state that was written to it is gone; bring it back, or \
                 let the flow begin anew with another group",
                before.topic
            )))
        }
        Err(error) => {
            tracing::warn!("the changelog could not be looked at: {error}");
            None
        }
    }
}

/// The topic as it is now; `None`: it is not there.
async fn look(plan: &Arc<Plan>, topic: &str) -> Result<Option<Log>, ExitError> {
    let (topics, topic) = (Arc::clone(&plan.topics), topic.to_owned());
    let looked = tokio::task::spawn_blocking(move || match topics.describe(&topic) {
        Ok(found) => Ok(Some(Log { topic, topic_id: found.id, partitions: found.partitions })),
        Err(TopicError::Missing { .. }) => Ok(None),
        Err(error) => Err(ExitError::failed(error)),
    });
    looked.await.unwrap_or_else(|error| Err(ExitError::failed(error)))
}

/// The sinks know what the change means to them; if none minds, the flow still has to begin anew.
async fn changed(plan: &Plan, found: &Log) -> ExitError {
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
