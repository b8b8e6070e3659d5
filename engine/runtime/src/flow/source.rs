//! What a flow says of where its records come from, and where go those that can't be processed.

use thalweg_connectors::kafka::settings::KafkaSettings;
use thalweg_core::worker::DedupeSettings;

use crate::settings::SettingError;

/// Where records come from: a topic, read as a member of the settings' group.
#[derive(Debug, Clone)]
pub struct Source {
    pub(crate) topic: String,
    pub(crate) settings: KafkaSettings,
    /// Where the group's id is set.
    group_key: String,
}

/// Where the settings' own group is.
const GROUP_KEY: &str = "kafka.group.id";

impl Source {
    /// That topic of the Kafka at its default address, until [`Source::settings`] says otherwise.
    #[must_use]
    pub fn topic(topic: impl Into<String>) -> Self {
        Self { topic: topic.into(), settings: KafkaSettings::default(), group_key: GROUP_KEY.to_owned() }
    }

    /// How Kafka is reached, and which group reads.
    #[must_use]
    pub fn settings(self, settings: &KafkaSettings) -> Self {
        Self { settings: settings.clone(), ..self }
    }

    /// That group instead of the one of the settings, for programs of several flows: each has a group of its own. `key` is
    /// where its id stands among the program's settings, for errors.
    #[must_use]
    pub fn group(mut self, key: &str, id: &str) -> Self {
        self.settings.group.id = id.to_owned();
        self.group_key = key.to_owned();
        self
    }

    /// Checks the settings; nothing connects.
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        self.settings.check().map_err(|error| {
            if error.key == "group.id" {
                return SettingError::new(&self.group_key, format!("{:?}", error.value), error.allowed);
            }
            SettingError::of_connector("kafka", &error)
        })
    }

    pub(crate) fn group_key(&self) -> &str {
        &self.group_key
    }
}

/// How duplicates are told: by an event id, seen before at most so many offsets back in the partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dedupe(pub(crate) DedupeSettings);

/// Offsets back; bounds what a restart reads again.
const WINDOW: u64 = 100_000;

impl Dedupe {
    /// The header of that name has the event's id; records without it are not deduplicated.
    #[must_use]
    pub fn by_header(name: impl Into<String>) -> Self {
        Self(DedupeSettings { header: name.into(), window: WINDOW })
    }

    /// Looks that many offsets back instead of 100,000; a restart reads as many again.
    #[must_use]
    pub fn window(mut self, offsets: u64) -> Self {
        self.0.window = offsets;
        self
    }
}

/// Where records go that can't be processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetters {
    pub(crate) topic: Option<String>,
    pub(crate) retention_ms: u64,
}

/// Four weeks: long enough to notice, repair and replay.
const RETENTION_MS: u64 = 28 * 24 * 3_600 * 1_000;

impl DeadLetters {
    /// Into the topic `<source's topic>.dlq`, made at the start when missing.
    #[must_use]
    pub fn beside_the_topic() -> Self {
        Self { topic: None, retention_ms: RETENTION_MS }
    }

    /// Into that topic instead; an empty name changes nothing.
    #[must_use]
    pub fn topic(mut self, name: &str) -> Self {
        self.topic = (!name.is_empty()).then(|| name.to_owned());
        self
    }

    /// How long the topic keeps them, if it is made.
    #[must_use]
    pub fn retention_ms(mut self, retention_ms: u64) -> Self {
        self.retention_ms = retention_ms;
        self
    }

    pub(crate) fn topic_for(&self, source: &str) -> String {
        self.topic.clone().unwrap_or_else(|| format!("{source}.dlq"))
    }
}
