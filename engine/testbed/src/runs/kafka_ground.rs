//! Where a run of exactly-once programs takes place: a Kafka, names of its own, a folder.

use std::path::PathBuf;

use thalweg_testbed::servers::Addresses;
use thalweg_testbed::{TestbedError, private, recipe};

use super::failed;
use super::ground::{folder_of, remove_topics};
use super::indexer::SESSION_MS;
use super::log_dump;
use super::settings::{PlaceSettings, Servers};

/// See the module's text.
pub(crate) struct KafkaGround {
    /// Kafka's `HOST:PORT`.
    pub(crate) kafka: String,
    /// Logs and lists.
    pub(crate) folder: PathBuf,
    keeps_folder: bool,
    /// What all topics' names begin with.
    name: String,
    /// The node, when it is ours to stop.
    private: Option<private::Kafka>,
}

impl KafkaGround {
    /// Starts or finds Kafka.
    pub(crate) fn prepare(run: &str, place: &PlaceSettings) -> Result<Self, TestbedError> {
        let private = match place.servers {
            Servers::Private => Some(private::Kafka::start(&[])?),
            Servers::Shared => None,
        };
        let kafka = match &private {
            Some(kafka) => kafka.bootstrap(),
            None => {
                let found = Addresses::from_environment().kafka.or(Addresses::running()?.kafka);
                found.ok_or_else(|| failed("Kafka", "is not running: `cargo testbed up kafka` starts it"))?
            }
        };
        let (name, folder) = folder_of(run, place.folder.as_deref())?;
        Ok(Self { kafka, folder, keeps_folder: place.folder.is_some(), name, private })
    }

    /// The run's own name for something.
    pub(crate) fn named(&self, what: &str) -> String {
        format!("{}-{what}", self.name)
    }

    /// How instances reach Kafka, and share its partitions.
    pub(crate) fn membership(&self, protocol: &str) -> Vec<String> {
        let mut settings =
            vec![format!("kafka.brokers={}", self.kafka), format!("kafka.group.protocol={protocol}")];
        if protocol == "classic" {
            settings.push(format!("kafka.group.session_timeout_ms={SESSION_MS}"));
            settings.push(format!("kafka.group.heartbeat_interval_ms={}", SESSION_MS / 3));
        }
        settings
    }

    /// Keeps what those topics hold, where the broker is one of ours, so that its files can be read.
    pub(crate) fn keep_logs(&self, topics: &[&str]) -> Result<(), TestbedError> {
        let shared = recipe::Kafka::shared()?;
        let data = match &self.private {
            Some(kafka) => kafka.data(),
            None if shared.bootstrap() == self.kafka && shared.process().is_some() => shared.data(),
            None => return Ok(()),
        };
        log_dump::keep(&data, topics, &self.folder)?;
        eprintln!("what the topics hold, batch by batch: {}", self.folder.join("*.dump").display());
        Ok(())
    }

    /// Removes what the run left on servers that go on, and its folder unless somebody wants it.
    pub(crate) fn clear(self) -> Result<(), TestbedError> {
        if self.private.is_none() {
            remove_topics(&self.kafka, &format!("{}-.*", self.name))?;
        }
        if self.keeps_folder {
            return Ok(());
        }
        std::fs::remove_dir_all(&self.folder)
            .map_err(|source| TestbedError::File { path: self.folder.clone(), source })
    }
}
