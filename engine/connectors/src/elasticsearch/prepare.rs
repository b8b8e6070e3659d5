//! The start: there is a cluster, it has the index, and the index is of this flow and this log.

use std::time::Duration;

use thalweg_core::failure::RequestFailure;
use thalweg_core::sink::Reply;
use tokio::time::Instant;

use super::client::ElasticsearchClient;
use super::judge;
use super::operation::Operation;
use super::purge::{self, Purged};
use super::setup::{Found, IndexPlan, Log, SetupError};
use super::version::Generation;

/// Between two looks at a cluster that isn't ready.
const PAUSE: Duration = Duration::from_millis(200);

/// Why a flow can't start, or its index can't be changed.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// Nobody answers, or not in time.
    #[error("Elasticsearch did not get ready within {waited_ms} ms: {last}")]
    NotReady {
        /// How long it was tried.
        waited_ms: u64,
        /// What was wrong at last.
        last: String,
    },
    /// It answers, and refuses.
    #[error("Elasticsearch refuses: {0}")]
    Refused(String),
    /// The index can't be used.
    #[error(transparent)]
    Setup(#[from] SetupError),
}

/// One look at the cluster.
enum Look {
    Found(Found),
    Missing,
    /// Not now.
    Later(String),
}

impl ElasticsearchClient {
    /// Makes sure that the index is there, is the planned one, and is written from `log`: creates it when it is missing
    /// (several instances may do so at once). Answers what was found and the generation to write with.
    ///
    /// # Errors
    /// What is wrong and what to do; after `timeout` at the latest.
    pub async fn prepare(
        &self,
        plan: &IndexPlan,
        log: &Log,
        timeout: Duration,
    ) -> Result<(Found, Generation), PrepareError> {
        let start = Instant::now();
        loop {
            let last = match self.look(plan).await? {
                Look::Found(found) => {
                    let generation = found.check_log(log)?;
                    return Ok((found, generation));
                }
                Look::Missing => match self.create(plan, log).await? {
                    // Look at once at what was made.
                    None => continue,
                    Some(why) => why,
                },
                Look::Later(why) => why,
            };
            if start.elapsed() + PAUSE >= timeout {
                return Err(PrepareError::NotReady { waited_ms: start.elapsed().as_millis() as u64, last });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What is behind the alias, whatever log it is written from; `None` when there is nothing.
    ///
    /// # Errors
    /// When nobody answers, or the index is not the planned one.
    pub async fn find(&self, plan: &IndexPlan) -> Result<Option<Found>, PrepareError> {
        match self.look(plan).await? {
            Look::Found(found) => Ok(Some(found)),
            Look::Missing => Ok(None),
            Look::Later(last) => Err(PrepareError::NotReady { waited_ms: 0, last }),
        }
    }

    /// Records that the log under the index was replaced by `log`, in the next generation. The caller has made sure
    /// that all of the old log was applied, and that no worker of the old generation runs any more.
    ///
    /// # Errors
    /// When the index isn't there, isn't ours, or the cluster refuses.
    pub async fn raise_generation(&self, plan: &IndexPlan, log: &Log) -> Result<Generation, PrepareError> {
        let found = match self.look(plan).await? {
            Look::Found(found) => found,
            Look::Missing => {
                return Err(PrepareError::Refused(format!("there is no `{}`", plan.target().alias())));
            }
            Look::Later(last) => return Err(PrepareError::NotReady { waited_ms: 0, last }),
        };
        let (generation, body) = found.raise_generation(log)?;
        match self.outcome(Operation::PutMapping, body).await {
            Ok(_) => Ok(generation),
            Err((_, why)) => Err(PrepareError::Refused(why)),
        }
    }

    /// Removes one page of tombstones of documents removed before `older_than_ms` (ms since 1970) from `index`, the one
    /// found at the start. While a whole page ([`purge::PAGE`]) was removed there may be more: come again after a second,
    /// when searches have noticed.
    ///
    /// # Errors
    /// What went wrong; nothing is lost by it, tombstones only stay longer.
    pub async fn purge(&self, index: &str, older_than_ms: i64) -> Result<Purged, String> {
        let unreadable = || "the answer is not one to this request".to_owned();
        let found = self.call(Operation::SearchTombstones, index, purge::search_body(older_than_ms)).await;
        let answer = understood(found).map_err(|(_, why)| why)?;
        let tombstones = purge::tombstones(&answer).ok_or_else(unreadable)?;
        if tombstones.is_empty() {
            return Ok(Purged::default());
        }
        let removed = self.outcome(Operation::Bulk, purge::removal_body(&tombstones)).await;
        purge::purged(&mut removed.map_err(|(_, why)| why)?).ok_or_else(unreadable)
    }

    async fn look(&self, plan: &IndexPlan) -> Result<Look, PrepareError> {
        match self.outcome(Operation::ReadIndex, Vec::new()).await {
            Ok(answer) => Ok(Look::Found(plan.check(&answer)?)),
            Err((404, _)) => Ok(Look::Missing),
            Err((status, why)) if is_refusal(status) => Err(PrepareError::Refused(why)),
            Err((_, why)) => Ok(Look::Later(why)),
        }
    }

    /// Creates the index; `Some` with why not, when it may be otherwise later.
    async fn create(&self, plan: &IndexPlan, log: &Log) -> Result<Option<String>, PrepareError> {
        match self.outcome(Operation::CreateIndex, plan.create_body(log)).await {
            Ok(_) => Ok(None),
            // Another instance made it just now; or it is there without the alias, and stays so.
            Err((400, why)) if why.contains("resource_already_exists_exception") => Ok(Some(format!(
                "the index `{}` is there, but not behind the alias `{}`: add the alias, or delete the index",
                plan.target().first_index(),
                plan.target().alias()
            ))),
            Err((status, why)) if is_refusal(status) => Err(PrepareError::Refused(why)),
            Err((_, why)) => Ok(Some(why)),
        }
    }

    /// Sends a request; the body of a good answer, or the status (0: none) and what is wrong.
    pub(super) async fn outcome(
        &self,
        operation: Operation,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, (u16, String)> {
        understood(self.call(operation, "", body).await)
    }
}

/// The body of a good answer, or the status (0: none) and what is wrong.
fn understood(reply: Reply) -> Result<Vec<u8>, (u16, String)> {
    match reply {
        Reply::Answer { status, body } => match judge::request(status, &body) {
            None => Ok(body),
            Some(RequestFailure::Overloaded) => Err((status, format!("{status}: overloaded"))),
            Some(
                RequestFailure::Refused(reason)
                | RequestFailure::SinkDown(reason)
                | RequestFailure::Unknown(reason),
            ) => Err((status, reason.message.into_owned())),
        },
        Reply::NotSent(why) | Reply::Unknown(why) => Err((0, why)),
    }
}

/// Whether waiting won't help.
fn is_refusal(status: u16) -> bool {
    (400..500).contains(&status) && !matches!(status, 408 | 429)
}
