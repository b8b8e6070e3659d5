//! What the flow is told, beside what every exactly-once flow can be told.

use serde::{Deserialize, Serialize};
use thalweg::kafka::KafkaSettings;
use thalweg::settings::{EngineSettings, StateSettings, TransactionSettings};

/// Everything that can be set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    pub(crate) timers: TimerSettings,
    pub(crate) kafka: KafkaSettings,
    pub(crate) transactions: TransactionSettings,
    pub(crate) state: StateSettings,
    pub(crate) engine: EngineSettings,
}

/// The flow's own section.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TimerSettings {
    /// The topic of what is wanted.
    pub(crate) wanted: String,
    /// The topic of what has fired.
    pub(crate) fired: String,
    /// Whether each timer has a row beside it.
    pub(crate) rows: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timers: TimerSettings::default(),
            kafka: KafkaSettings::default(),
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
