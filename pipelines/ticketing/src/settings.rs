//! The settings of the services, all of them together; [`crate::programs`] has those of each program.

mod services;
mod topics;

use serde::{Deserialize, Serialize};
pub use services::{
    ExpirationGroups, ExpirationSettings, OrdersGroups, OrdersSettings, PaymentsGroups, PaymentsSettings,
    TicketsGroups, TicketsSettings,
};
use thalweg::kafka::KafkaSettings;
use thalweg::settings::TransactionSettings;
use thalweg::views::ViewSettings;
pub use topics::TopicSettings;

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
            views: ViewSettings::default(),
        }
    }
}

/// What the state of a service may take. Its changelog is an internal topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemorySettings {
    /// Bytes of memory for the state of a service: of all partitions of its topic together.
    pub bytes_max: u64,
}

impl Default for MemorySettings {
    fn default() -> Self {
        Self { bytes_max: 64 << 20 }
    }
}
