//! The settings of `counters`; `counters.toml` explains them.

use serde::{Deserialize, Serialize};
use thalweg::commands::CommandSettings;
use thalweg::kafka::{GroupSettings, KafkaSettings};
use thalweg::settings::{EngineSettings, StateSettings, TransactionSettings, Variable};
use thalweg::views::ViewSettings;

/// Environment variables that deployments know by other names than ours.
pub const VARIABLES: [Variable; 3] = [
    Variable { name: "KAFKA_BROKERS", key: "kafka.brokers" },
    Variable { name: "KAFKA_GROUP_ID", key: "kafka.group.id" },
    Variable { name: "TOKEN_SECRET", key: "commands.token_secret" },
];

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What is read.
    pub topics: TopicSettings,
    /// How requests are taken and answered.
    pub commands: CommandSettings,
    /// How counters are shown.
    pub views: ViewSettings,
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
        let group = GroupSettings { id: "counters".to_owned(), ..GroupSettings::default() };
        let replies_topic = "counter-replies".to_owned();
        Self {
            topics: TopicSettings::default(),
            commands: CommandSettings { replies_topic, ..CommandSettings::default() },
            views: ViewSettings::default(),
            kafka: KafkaSettings { group, client_id: "counters".to_owned(), ..KafkaSettings::default() },
            transactions: TransactionSettings::default(),
            // Leaves room in the memory for the view.
            state: StateSettings { bytes_max: 64 << 20, ..StateSettings::default() },
            engine: EngineSettings { commit_interval_ms: 50, ..EngineSettings::default() },
        }
    }
}

impl thalweg::Settings for Settings {
    fn engine(&self) -> &EngineSettings {
        &self.engine
    }
}

/// What is read, and what is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TopicSettings {
    /// Commands, by the counter's name.
    pub source: String,
    /// Each counter as it is, by its name. Made when missing.
    pub view: String,
}

impl Default for TopicSettings {
    fn default() -> Self {
        Self { source: "counter-commands".to_owned(), view: "counters-view".to_owned() }
    }
}
