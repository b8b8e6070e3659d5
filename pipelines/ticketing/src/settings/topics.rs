//! The section `[topics]`.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use thalweg::flow::MissingTopic;

/// What is read and written. What is missing is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TopicSettings {
    /// Events of tickets.
    pub tickets: String,
    /// Events of orders.
    pub orders: String,
    /// Events of payments.
    pub payments: String,
    /// Events of expirations.
    pub expiration: String,
    /// What the names of topics begin with that only these services use.
    pub internal_prefix: String,
    /// Partitions that a topic gets when it is made.
    pub partitions: NonZeroU32,
    /// How long a topic keeps its records when it is made; views and changelogs keep the latest of each key.
    pub retention_ms: u64,
}

/// Enough for some instances of each service.
const PARTITIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(5);

impl Default for TopicSettings {
    fn default() -> Self {
        Self {
            tickets: "tickets".to_owned(),
            orders: "orders".to_owned(),
            payments: "payments".to_owned(),
            expiration: "expiration".to_owned(),
            internal_prefix: "ticketing-".to_owned(),
            partitions: PARTITIONS,
            retention_ms: 7 * 24 * 3_600 * 1_000,
        }
    }
}

impl TopicSettings {
    /// An internal topic: `orders-inbox` is `ticketing-orders-inbox`, unless the prefix is another.
    #[must_use]
    pub fn internal(&self, name: &str) -> String {
        format!("{}{name}", self.internal_prefix)
    }

    /// How a topic is made when it is missing.
    pub(crate) fn log(&self, name: &str) -> MissingTopic {
        MissingTopic::keeping(name, self.partitions.get(), self.retention_ms)
    }
}
