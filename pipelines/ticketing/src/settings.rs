//! The settings of the services, all of them together; [`crate::programs`] has those of each program.

mod services;
mod topics;

use serde::{Deserialize, Serialize};
pub use services::{
    ExpirationGroups, ExpirationSettings, OrdersGroups, OrdersSettings, PaymentsGroups, PaymentsSettings,
    TicketsGroups, TicketsSettings,
};
use thalweg::kafka::KafkaSettings;
use thalweg::settings::{StateSettings, TransactionSettings};
use thalweg::views::ViewSettings;
pub use topics::TopicSettings;

/// An order takes about 800 bytes of a view, and stays in it: 80,000 of them.
const VIEW_BYTES: u64 = 64 << 20;

/// Everything that flows go by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What is read and written.
    pub topics: TopicSettings,
    /// The service tickets.
    pub tickets: TicketsSettings,
    /// The service orders.
    pub orders: OrdersSettings,
    /// The service payments.
    pub payments: PaymentsSettings,
    /// The service expiration.
    pub expiration: ExpirationSettings,
    /// How Kafka is reached. Its group's id is not used: each flow has its own.
    pub kafka: KafkaSettings,
    /// How flows commit.
    pub transactions: TransactionSettings,
    /// How state is kept.
    pub state: MemorySettings,
    /// How views are kept and shown.
    pub views: ViewSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            topics: TopicSettings::default(),
            tickets: TicketsSettings::default(),
            orders: OrdersSettings::default(),
            payments: PaymentsSettings::default(),
            expiration: ExpirationSettings::default(),
            kafka: KafkaSettings { client_id: "ticketing".to_owned(), ..KafkaSettings::default() },
            transactions: TransactionSettings::default(),
            state: MemorySettings::default(),
            views: ViewSettings { bytes_max: VIEW_BYTES, ..ViewSettings::default() },
        }
    }
}

/// How the states of services are kept. Their changelogs are internal topics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemorySettings {
    /// Bytes of memory for the state of a service: of all partitions of its topic together.
    pub bytes_max: u64,
    /// A folder of this machine in which snapshots of the states are kept, each service's in a folder of its own below; empty:
    /// none are. Each instance needs its own.
    pub snapshot_folder: String,
    /// Time from one snapshot of a partition to the next, while its state changes.
    pub snapshot_interval_ms: u64,
}

impl Default for MemorySettings {
    fn default() -> Self {
        let StateSettings { snapshot_folder, snapshot_interval_ms, .. } = StateSettings::default();
        Self { bytes_max: 64 << 20, snapshot_folder, snapshot_interval_ms }
    }
}

impl MemorySettings {
    /// Of the flow with that changelog.
    pub(crate) fn with_changelog(&self, changelog_topic: String) -> StateSettings {
        let Self { bytes_max, snapshot_folder, snapshot_interval_ms } = self.clone();
        StateSettings { changelog_topic, bytes_max, snapshot_folder, snapshot_interval_ms }
    }
}
