//! The settings of `message-indexer`; `message-indexer.toml` explains each.

use serde::{Deserialize, Serialize};
use thalweg::elasticsearch::ElasticsearchSettings;
use thalweg::kafka::{GroupSettings, KafkaSettings};
use thalweg::settings::{EngineSettings, Variable};

/// Environment variables that deployments know by other names than ours.
pub const VARIABLES: [Variable; 3] = [
    Variable { name: "KAFKA_BROKERS", key: "kafka.brokers" },
    Variable { name: "KAFKA_GROUP_ID", key: "kafka.group.id" },
    Variable { name: "ELASTICSEARCH_NODES", key: "elasticsearch.nodes" },
];

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What is read.
    pub source: SourceSettings,
    /// How duplicates are told.
    pub dedupe: DedupeSettings,
    /// Where records go that can't be processed.
    pub dead_letters: DeadLetterSettings,
    /// How Kafka is reached.
    pub kafka: KafkaSettings,
    /// How Elasticsearch is reached, and the index.
    pub elasticsearch: ElasticsearchSettings,
    /// How the engine runs the flow.
    pub engine: EngineSettings,
}

impl Default for Settings {
    fn default() -> Self {
        let group =
            GroupSettings { id: "message-elasticsearch-indexer".to_owned(), ..GroupSettings::default() };
        let kafka =
            KafkaSettings { group, client_id: "message-indexer".to_owned(), ..KafkaSettings::default() };
        Self {
            source: SourceSettings::default(),
            dedupe: DedupeSettings::default(),
            dead_letters: DeadLetterSettings::default(),
            kafka,
            elasticsearch: ElasticsearchSettings::default(),
            engine: EngineSettings::default(),
        }
    }
}

impl thalweg::Settings for Settings {
    fn engine(&self) -> &EngineSettings {
        &self.engine
    }
}

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourceSettings {
    /// The topic.
    pub topic: String,
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self { topic: "message-events-v1-prod".to_owned() }
    }
}

/// How duplicates are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DedupeSettings {
    /// How many offsets back in the partition.
    pub window: u64,
}

impl Default for DedupeSettings {
    fn default() -> Self {
        Self { window: 100_000 }
    }
}

/// Where records go that can't be processed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeadLetterSettings {
    /// The topic; empty: the source's with `.dlq` behind it.
    pub topic: String,
    /// How long it keeps them, if it is made.
    pub retention_ms: u64,
}

impl Default for DeadLetterSettings {
    fn default() -> Self {
        Self { topic: String::new(), retention_ms: 28 * 24 * 3_600_000 }
    }
}
