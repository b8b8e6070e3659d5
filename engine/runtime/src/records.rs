//! Records on topics, as a sink of an at-least-once flow.

use std::rc::Rc;
use std::time::Duration;

use thalweg_connectors::kafka::producer::KafkaProducer;
use thalweg_connectors::kafka::settings::KafkaSettings;
use thalweg_connectors::kafka::sink::KafkaSink;
use thalweg_connectors::kafka::topics::Topics;
use thalweg_core::SinkSettings;
use thalweg_core::pacing::PacingSettings;
use thalweg_core::sink::{Reply, Request};

use crate::exit::ExitError;
use crate::flow::{Connection, Log, SinkPlan, Sinks, Waiting};
use crate::settings::SettingError;
use crate::startup::RECORD_BYTES_MAX;

/// How long a broker may take to describe the topic at the start.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Records on topics of a cluster. What is acknowledged is written by all replicas in sync; after a crash records are
/// written again, as everything in such a flow.
#[derive(Debug, Clone)]
pub struct Records {
    settings: KafkaSettings,
    topic: String,
}

impl Records {
    /// On that topic, which must exist. (An effect names its topic itself: others than this are not looked for at the start.)
    #[must_use]
    pub fn on_topic(settings: &KafkaSettings, topic: impl Into<String>) -> Self {
        Self { settings: settings.clone(), topic: topic.into() }
    }
}

impl SinkPlan for Records {
    type Machine = KafkaSink;

    fn check(&self) -> Result<(), SettingError> {
        self.settings.check().map_err(|error| SettingError::of_connector("kafka", &error))
    }

    fn prepare<'w>(&'w self, _log: &'w Log) -> Waiting<'w, Result<(), ExitError>> {
        Box::pin(async move {
            let (settings, topic) = (self.settings.clone(), self.topic.clone());
            let look = move || Topics::connect(&settings, TIMEOUT)?.describe(&topic);
            let looked = tokio::task::spawn_blocking(look).await.map_err(ExitError::failed)?;
            looked.map(|_| ()).map_err(ExitError::failed)
        })
    }

    fn machine(&self, _sinks: &Sinks) -> KafkaSink {
        KafkaSink
    }

    fn settings(&self) -> SinkSettings {
        // The client batches by itself, and retries: a few lanes, so that one slow partition does not hold up all keys.
        let pacing = PacingSettings { flights_max: 4, items_max: 1_000, bytes_max: 4 << 20 };
        SinkSettings { lanes: 4, pacing, attempts_max: None, ..SinkSettings::default() }
    }

    fn connect(&self) -> Result<Rc<dyn Connection>, ExitError> {
        let producer = KafkaProducer::connect(&self.settings, RECORD_BYTES_MAX).map_err(ExitError::failed)?;
        Ok(Rc::new(RecordConnection { producer }))
    }

    fn system(&self) -> &'static str {
        "Kafka"
    }
}

struct RecordConnection {
    producer: KafkaProducer,
}

impl Connection for RecordConnection {
    fn send(self: Rc<Self>, request: Request) -> Waiting<'static, Reply> {
        Box::pin(async move { self.producer.send(request).await })
    }
}
