//! The programs: which flows each has, and its settings. A key means the same in all of them.

use serde::{Deserialize, Serialize};
use thalweg::flow::Flow;
use thalweg::kafka::KafkaSettings;
use thalweg::settings::{EngineSettings, TransactionSettings, Variable};
use thalweg::views::ViewSettings;

use crate::flows;
use crate::settings::{
    ExpirationSettings, MemorySettings, OrdersSettings, PaymentsSettings, Settings, TicketsSettings,
    TopicSettings,
};

/// The settings of a program with these sections, whose page is at that port and whose memory is that many MiB.
macro_rules! program {
    ($(#[$what:meta])* $name:ident { $($section:ident: $own:ty),+ } $client:literal, $port:literal, $mebibytes:literal) => {
        $(#[$what])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            /// What is read and written.
            pub topics: TopicSettings,
            $(
                /// What not all programs have.
                pub $section: $own,
            )+
            /// How Kafka is reached. Its group's id is not used: each flow has its own.
            pub kafka: KafkaSettings,
            /// How flows commit.
            pub transactions: TransactionSettings,
            /// How state is kept.
            pub state: MemorySettings,
            /// How the engine runs the flows.
            pub engine: EngineSettings,
        }

        impl Default for $name {
            fn default() -> Self {
                let Settings { topics, $($section,)+ kafka, transactions, state, .. } = Settings::default();
                Self {
                    topics,
                    $($section,)+
                    kafka: KafkaSettings { client_id: $client.to_owned(), ..kafka },
                    transactions,
                    state,
                    engine: EngineSettings {
                        commit_interval_ms: 50,
                        memory_bytes: $mebibytes << 20,
                        admin_listen: concat!("127.0.0.1:", $port).to_owned(),
                        ..EngineSettings::default()
                    },
                }
            }
        }

        impl thalweg::Settings for $name {
            fn engine(&self) -> &EngineSettings {
                &self.engine
            }
        }

        impl From<&$name> for Settings {
            #[allow(clippy::needless_update, reason = "one program has all services")]
            fn from(settings: &$name) -> Self {
                let $name { topics, $($section,)+ kafka, transactions, state, engine: _ } = settings.clone();
                Self { topics, $($section,)+ kafka, transactions, state, ..Self::default() }
            }
        }
    };
}

program! {
    /// The settings of `tickets`; `tickets.toml` explains them.
    TicketsProgram { tickets: TicketsSettings, views: ViewSettings } "tickets", "9601", 512
}

program! {
    /// The settings of `orders`; `orders.toml` explains them.
    OrdersProgram { orders: OrdersSettings, views: ViewSettings } "orders", "9602", 512
}

program! {
    /// The settings of `payments`; `payments.toml` explains them.
    PaymentsProgram { payments: PaymentsSettings } "payments", "9603", 512
}

program! {
    /// The settings of `expiration`; `expiration.toml` explains them.
    ExpirationProgram { expiration: ExpirationSettings } "expiration", "9604", 256
}

program! {
    /// The settings of `ticketing`; `ticketing.toml` explains them.
    TicketingProgram {
        tickets: TicketsSettings, orders: OrdersSettings, payments: PaymentsSettings, expiration: ExpirationSettings,
        views: ViewSettings
    } "ticketing", "9600", 1_024
}

const BROKERS: Variable = Variable { name: "KAFKA_BROKERS", key: "kafka.brokers" };
const PROVIDER: Variable = Variable { name: "PROVIDER_URL", key: "payments.provider.url" };

const fn secret(key: &'static str) -> Variable {
    Variable { name: "TOKEN_SECRET", key }
}

/// Environment variables of `tickets`.
pub const TICKETS_VARIABLES: [Variable; 2] = [BROKERS, secret("tickets.commands.token_secret")];
/// Environment variables of `orders`.
pub const ORDERS_VARIABLES: [Variable; 2] = [BROKERS, secret("orders.commands.token_secret")];
/// Environment variables of `payments`.
pub const PAYMENTS_VARIABLES: [Variable; 3] = [BROKERS, PROVIDER, secret("payments.commands.token_secret")];
/// Environment variables of `expiration`.
pub const EXPIRATION_VARIABLES: [Variable; 1] = [BROKERS];
/// Environment variables of `ticketing`.
pub const TICKETING_VARIABLES: [Variable; 5] = [
    BROKERS,
    PROVIDER,
    secret("tickets.commands.token_secret"),
    secret("orders.commands.token_secret"),
    secret("payments.commands.token_secret"),
];

/// The service tickets, and what brings it the events of orders.
#[must_use]
pub fn tickets(settings: &TicketsProgram) -> Vec<Flow> {
    tickets_flows(&settings.into())
}

/// The service orders, and what brings it the events of tickets, payments and expirations.
#[must_use]
pub fn orders(settings: &OrdersProgram) -> Vec<Flow> {
    orders_flows(&settings.into())
}

/// The service payments, what brings it the events of orders, and what asks the provider.
#[must_use]
pub fn payments(settings: &PaymentsProgram) -> Vec<Flow> {
    payments_flows(&settings.into())
}

/// The service expiration.
#[must_use]
pub fn expiration(settings: &ExpirationProgram) -> Flow {
    flows::expiration(&settings.into())
}

/// All services.
#[must_use]
pub fn ticketing(settings: &TicketingProgram) -> Vec<Flow> {
    let all = settings.into();
    let mut flows = orders_flows(&all);
    flows.extend(tickets_flows(&all));
    flows.extend(payments_flows(&all));
    flows.push(flows::expiration(&all));
    flows
}

fn tickets_flows(all: &Settings) -> Vec<Flow> {
    vec![flows::tickets(all), flows::tickets_orders(all)]
}

fn orders_flows(all: &Settings) -> Vec<Flow> {
    vec![
        flows::orders(all),
        flows::orders_tickets(all),
        flows::orders_payments(all),
        flows::orders_expiration(all),
    ]
}

fn payments_flows(all: &Settings) -> Vec<Flow> {
    vec![flows::payments(all), flows::payments_orders(all), flows::charges(all)]
}
