//! The settings of `copy`; `copy.toml` explains each.

use serde::{Deserialize, Serialize};
use thalweg::kafka::{GroupSettings, KafkaSettings};
use thalweg::settings::{EngineSettings, StateSettings, TransactionSettings, Variable};

/// Environment variables that deployments know by other names than ours.
pub const VARIABLES: [Variable; 2] = [
    Variable { name: "KAFKA_BROKERS", key: "kafka.brokers" },
    Variable { name: "KAFKA_GROUP_ID", key: "kafka.group.id" },
];

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What is read and written.
    pub topics: TopicSettings,
    /// How Kafka is reached.
    pub kafka: KafkaSettings,
    /// How the flow commits.
    pub transactions: TransactionSettings,
    /// How counts are kept.
    pub state: StateSettings,
    /// How the engine runs the flow.
    pub engine: EngineSettings,
}

impl Default for Settings {
    fn default() -> Self {
        let group = GroupSettings { id: "copy".to_owned(), ..GroupSettings::default() };
        Self {
            topics: TopicSettings::default(),
            kafka: KafkaSettings { group, client_id: "copy".to_owned(), ..KafkaSettings::default() },
            transactions: TransactionSettings::default(),
            state: StateSettings::default(),
            engine: EngineSettings { commit_interval_ms: 50, ..EngineSettings::default() },
        }
    }
}

impl thalweg::Settings for Settings {
    fn engine(&self) -> &EngineSettings {
        &self.engine
    }
}

/// What is read and written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TopicSettings {
    /// What is copied.
    pub source: String,
    /// Where to.
    pub copies: String,
    /// Where each key's count goes when it changes.
    pub counts: String,
    /// How many offsets back in the partition duplicates are told.
    pub dedupe_window: u64,
}

impl Default for TopicSettings {
    fn default() -> Self {
        Self {
            source: "records".to_owned(),
            copies: "records-copied".to_owned(),
            counts: "records-counted".to_owned(),
            dedupe_window: 100_000,
        }
    }
}
