//! Documents in Elasticsearch, as a sink of a flow.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use thalweg_connectors::elasticsearch::search::SearchedFields;
use thalweg_connectors::elasticsearch::settings::ElasticsearchSettings;
use thalweg_connectors::elasticsearch::setup::{IndexPlan, Log as RecordedLog};
use thalweg_connectors::elasticsearch::{DocumentSink, ElasticsearchClient, Generation, PrepareError, purge};
use thalweg_core::sink::{Reply, Request};

use crate::document_search::DocumentSearch;
use crate::exit::ExitError;
use crate::flow::{Connection, Log, Search, SinkPlan, Sinks, Waiting};
use crate::settings::SettingError;

/// Time between two looks for tombstones that may go; they are kept for days.
const PURGE_INTERVAL_MS: u64 = 10 * 60 * 1_000;

/// Between two pages of one purge: searches notice removals after a refresh, which comes each second.
const PURGE_PAUSE: Duration = Duration::from_secs(2);

/// Documents behind an alias, each written with a version from the log; see
/// [`thalweg_connectors::elasticsearch`].
pub struct Documents {
    settings: ElasticsearchSettings,
    /// The fields, as JSON: what stands under `properties` in a mapping.
    fields: &'static str,
    found: Mutex<Found>,
}

/// What the start found; before it, a new index.
struct Found {
    index: String,
    generation: Generation,
}

impl Documents {
    /// Behind the settings' alias. `fields` is what stands under `properties` in the index's mapping, as JSON.
    #[must_use]
    pub fn behind_alias(settings: &ElasticsearchSettings, fields: &'static str) -> Self {
        Self {
            settings: settings.clone(),
            fields,
            found: Mutex::new(Found { index: String::new(), generation: Generation::FIRST }),
        }
    }

    fn plan(&self) -> Result<IndexPlan, ExitError> {
        self.settings.plan(self.fields).map_err(ExitError::failed)
    }

    fn client(&self) -> Result<ElasticsearchClient, ExitError> {
        let refused = |error| SettingError::of_connector("elasticsearch", &error);
        ElasticsearchClient::new(&self.settings).map_err(|error| refused(error).into())
    }

    fn explained(&self, error: &PrepareError) -> ExitError {
        ExitError::Failed(format!("Elasticsearch at {}: {error}", self.settings.nodes.join(", ")))
    }

    async fn purge(&self) -> Result<u64, String> {
        let client = self.client().map_err(|error| error.to_string())?;
        let index = self.found.lock().index.clone();
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let retention_ms = i64::try_from(self.settings.tombstone_retention_ms).unwrap_or(i64::MAX);
        let older_than_ms = i64::try_from(now_ms).unwrap_or(i64::MAX).saturating_sub(retention_ms);
        let mut removed = 0;
        loop {
            let page = client.purge(&index, older_than_ms).await?;
            removed += page.removed;
            if page.removed < purge::PAGE as u64 {
                return Ok(removed);
            }
            tokio::time::sleep(PURGE_PAUSE).await;
        }
    }
}

impl SinkPlan for Documents {
    type Machine = DocumentSink;

    fn check(&self) -> Result<(), SettingError> {
        self.settings.check().map_err(|error| SettingError::of_connector("elasticsearch", &error))
    }

    fn prepare<'w>(&'w self, log: &'w Log) -> Waiting<'w, Result<(), ExitError>> {
        Box::pin(async move {
            let timeout = Duration::from_millis(self.settings.start_timeout_ms);
            let prepared = self.client()?.prepare(&self.plan()?, &recorded(log), timeout).await;
            let (found, generation) = prepared.map_err(|error| self.explained(&error))?;
            *self.found.lock() = Found { index: found.index, generation };
            Ok(())
        })
    }

    fn machine(&self, _sinks: &Sinks) -> DocumentSink {
        DocumentSink::new(self.settings.options(self.found.lock().generation))
    }

    fn kept_bytes(&self) -> u64 {
        let lanes = u64::from(SinkPlan::settings(self).lanes);
        let lane_bytes = DocumentSink::lane_bytes_max(self.settings.bases_bytes_per_lane);
        lanes.saturating_mul(lane_bytes as u64)
    }

    fn connect(&self) -> Result<Rc<dyn Connection>, ExitError> {
        Ok(Rc::new(DocumentConnection { client: self.client()? }))
    }

    fn recorded_log(&self) -> Waiting<'_, Result<Option<Log>, ExitError>> {
        Box::pin(async move {
            let found = self.client()?.find(&self.plan()?).await.map_err(|error| self.explained(&error))?;
            Ok(found.map(|found| {
                let RecordedLog { topic, topic_id, partitions } = found.recorded.log;
                Log { topic, topic_id, partitions }
            }))
        })
    }

    fn raise_generation<'w>(&'w self, log: &'w Log) -> Waiting<'w, Result<Option<String>, ExitError>> {
        Box::pin(async move {
            let raised = self.client()?.raise_generation(&self.plan()?, &recorded(log)).await;
            let generation = raised.map_err(|error| self.explained(&error))?;
            let alias = &self.settings.alias;
            Ok(Some(format!("the index behind `{alias}` is now of generation {}", generation.number())))
        })
    }

    fn system(&self) -> &'static str {
        "Elasticsearch"
    }

    fn search(&self) -> Result<Option<Arc<dyn Search>>, ExitError> {
        let Some(fields) = SearchedFields::of(self.fields) else { return Ok(None) };
        Ok(Some(Arc::new(DocumentSearch { client: self.client()?, fields })))
    }

    fn upkeep(&self) -> Waiting<'_, ()> {
        Box::pin(async {
            match self.purge().await {
                Ok(0) => {}
                Ok(removed) => tracing::info!(removed, "old tombstones purged"),
                Err(why) => tracing::warn!("old tombstones could not be purged, trying again later: {why}"),
            }
        })
    }

    fn upkeep_interval_ms(&self) -> Option<u64> {
        Some(PURGE_INTERVAL_MS)
    }
}

fn recorded(log: &Log) -> RecordedLog {
    let Log { topic, topic_id, partitions } = log.clone();
    RecordedLog { topic, topic_id, partitions }
}

struct DocumentConnection {
    client: ElasticsearchClient,
}

impl Connection for DocumentConnection {
    fn send(self: Rc<Self>, request: Request) -> Waiting<'static, Reply> {
        Box::pin(async move { self.client.send(request).await })
    }
}
