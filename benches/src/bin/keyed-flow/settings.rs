//! What the arm is told, beside what every flow can be told.

use serde::{Deserialize, Serialize};
use thalweg::kafka::KafkaSettings;
use thalweg::settings::EngineSettings;

/// Everything that can be set.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    pub(crate) arm: ArmSettings,
    pub(crate) kafka: KafkaSettings,
    pub(crate) engine: EngineSettings,
}

/// What is done with the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Workload {
    /// They are parsed and counted by key.
    Counting,
    /// Each is waited for, 1 ms, behind the one before of its key.
    Waiting,
}

/// The arm's own section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ArmSettings {
    pub(crate) workload: Workload,
    pub(crate) topic: String,
    /// How many there are.
    pub(crate) records: u64,
    /// Of the sink that waits.
    pub(crate) lanes: u16,
    /// Effects of one flight at most.
    pub(crate) flight: u32,
}

impl Default for ArmSettings {
    fn default() -> Self {
        Self { workload: Workload::Counting, topic: String::new(), records: 0, lanes: 16, flight: 250 }
    }
}

impl thalweg::Settings for Settings {
    fn engine(&self) -> &EngineSettings {
        &self.engine
    }
}
