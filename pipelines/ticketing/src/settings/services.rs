//! What each service has for itself.

use serde::{Deserialize, Serialize};
use thalweg::calls::HttpSettings;
use thalweg::commands::CommandSettings;

/// The service tickets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TicketsSettings {
    /// Who reads.
    pub groups: TicketsGroups,
    /// How requests are taken and answered.
    pub commands: CommandSettings,
}

/// Consumer groups of tickets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TicketsGroups {
    /// Of its inbox.
    pub inbox: String,
    /// Of the events of orders.
    pub orders: String,
}

/// The service orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OrdersSettings {
    /// How long an order waits for its payment.
    pub expire_after_ms: u64,
    /// Who reads.
    pub groups: OrdersGroups,
    /// How requests are taken and answered.
    pub commands: CommandSettings,
}

/// Consumer groups of orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OrdersGroups {
    /// Of its inbox.
    pub inbox: String,
    /// Of the events of tickets.
    pub tickets: String,
    /// Of the events of payments.
    pub payments: String,
    /// Of the events of expirations.
    pub expiration: String,
}

/// The service payments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PaymentsSettings {
    /// Who reads.
    pub groups: PaymentsGroups,
    /// Who charges people.
    pub provider: HttpSettings,
    /// How requests are taken and answered.
    pub commands: CommandSettings,
}

/// Consumer groups of payments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PaymentsGroups {
    /// Of its inbox.
    pub inbox: String,
    /// Of the events of orders.
    pub orders: String,
    /// Of what the provider is asked for.
    pub charges: String,
}

/// The service expiration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpirationSettings {
    /// Who reads.
    pub groups: ExpirationGroups,
}

/// Consumer groups of expiration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpirationGroups {
    /// Of the events of orders.
    pub orders: String,
}

/// Requests at that port; replies on the internal topic.
fn commands(port: u16) -> CommandSettings {
    CommandSettings {
        listen: format!("127.0.0.1:{port}"),
        replies_topic: String::new(),
        ..CommandSettings::default()
    }
}

impl Default for TicketsSettings {
    fn default() -> Self {
        Self { groups: TicketsGroups::default(), commands: commands(8_081) }
    }
}

impl Default for TicketsGroups {
    fn default() -> Self {
        Self { inbox: "ticketing-tickets".to_owned(), orders: "tickets-orders".to_owned() }
    }
}

impl Default for OrdersSettings {
    fn default() -> Self {
        // As the system's documentation has it: two minutes.
        Self { expire_after_ms: 120_000, groups: OrdersGroups::default(), commands: commands(8_082) }
    }
}

impl Default for OrdersGroups {
    fn default() -> Self {
        Self {
            inbox: "ticketing-orders".to_owned(),
            tickets: "orders-tickets".to_owned(),
            payments: "orders-payments".to_owned(),
            expiration: "orders-expiration".to_owned(),
        }
    }
}

impl Default for PaymentsSettings {
    fn default() -> Self {
        let provider = HttpSettings {
            url: "http://127.0.0.1:9700".to_owned(),
            // Until it is known whether it has charged.
            attempts_max: 0,
            ..HttpSettings::default()
        };
        Self { groups: PaymentsGroups::default(), provider, commands: commands(8_083) }
    }
}

impl Default for PaymentsGroups {
    fn default() -> Self {
        Self {
            inbox: "ticketing-payments".to_owned(),
            orders: "payments-orders".to_owned(),
            charges: "ticketing-charges".to_owned(),
        }
    }
}

impl Default for ExpirationGroups {
    fn default() -> Self {
        Self { orders: "expiration-orders".to_owned() }
    }
}
