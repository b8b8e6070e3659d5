//! The settings of the services.

use serde::{Deserialize, Serialize};
use thalweg::kafka::KafkaSettings;
use thalweg::settings::{StateSettings, TransactionSettings};

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What is read and written.
    pub topics: TopicSettings,
    /// Who reads.
    pub groups: Groups,
    /// What orders are like.
    pub orders: OrderSettings,
    /// How Kafka is reached. Its group's id is not used: each flow has its own.
    pub kafka: KafkaSettings,
    /// How flows commit.
    pub transactions: TransactionSettings,
    /// How state is kept.
    pub state: StateSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            topics: TopicSettings::default(),
            groups: Groups::default(),
            orders: OrderSettings::default(),
            kafka: KafkaSettings { client_id: "ticketing".to_owned(), ..KafkaSettings::default() },
            transactions: TransactionSettings::default(),
            state: StateSettings::default(),
        }
    }
}

/// What is read and written.
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
    /// What the names of topics begin with that only these services use: inboxes, replies, views, charges.
    pub internal_prefix: String,
}

impl Default for TopicSettings {
    fn default() -> Self {
        Self {
            tickets: "tickets".to_owned(),
            orders: "orders".to_owned(),
            payments: "payments".to_owned(),
            expiration: "expiration".to_owned(),
            internal_prefix: "ticketing-".to_owned(),
        }
    }
}

impl TopicSettings {
    /// An internal topic: `orders-inbox` is `ticketing-orders-inbox`, unless the prefix is another.
    #[must_use]
    pub fn internal(&self, name: &str) -> String {
        format!("{}{name}", self.internal_prefix)
    }
}

/// Consumer groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Groups {
    /// Tickets, of its inbox.
    pub tickets: String,
    /// Orders, of its inbox.
    pub orders: String,
    /// Payments, of its inbox.
    pub payments: String,
    /// Orders, of events of tickets.
    pub orders_tickets: String,
    /// Orders, of events of payments.
    pub orders_payments: String,
    /// Orders, of events of expirations.
    pub orders_expiration: String,
    /// Tickets, of events of orders.
    pub tickets_orders: String,
    /// Payments, of events of orders.
    pub payments_orders: String,
    /// Expiration, of events of orders.
    pub expiration_orders: String,
}

impl Default for Groups {
    fn default() -> Self {
        let name = str::to_owned;
        Self {
            tickets: name("ticketing-tickets"),
            orders: name("ticketing-orders"),
            payments: name("ticketing-payments"),
            orders_tickets: name("orders-tickets"),
            orders_payments: name("orders-payments"),
            orders_expiration: name("orders-expiration"),
            tickets_orders: name("tickets-orders"),
            payments_orders: name("payments-orders"),
            expiration_orders: name("expiration-orders"),
        }
    }
}

/// What orders are like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OrderSettings {
    /// How long an order waits for its payment, in ms.
    pub expire_after_ms: u64,
}

impl Default for OrderSettings {
    fn default() -> Self {
        // As the system's documentation has it: two minutes.
        Self { expire_after_ms: 120_000 }
    }
}
