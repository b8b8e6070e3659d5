//! What is judged.

use serde::{Deserialize, Serialize};

/// Everything there is to see.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The topics `tickets`, `orders`, `payments` and `expiration`: records of a partition in their order.
    pub records: Vec<Record>,
    /// The provider's ledger.
    pub ledger: Vec<Entry>,
    /// What users wanted, and what they were answered.
    pub commands: Vec<Sent>,
}

/// A record of a topic.
#[derive(Debug, Clone)]
pub struct Record {
    /// The log's time, in ms since 1970.
    pub timestamp_ms: i64,
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

/// Something that the provider did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// It charged.
    Charge {
        /// For that order.
        order_id: String,
        /// So much.
        amount: u64,
    },
    /// It gave a charge back.
    Refund {
        /// Of that order.
        order_id: String,
        /// So much.
        amount: u64,
    },
}

/// What a command was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// `POST /tickets`.
    CreateTicket,
    /// `PUT /tickets/{id}`.
    EditTicket,
    /// `POST /orders`.
    CreateOrder,
    /// `DELETE /orders/{id}`.
    CancelOrder,
    /// `POST /payments`.
    CreatePayment,
}

/// How a command was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answered {
    /// It was done (2xx): it must be seen once.
    Accepted,
    /// It was refused (4xx): it must not be seen.
    Refused,
    /// Nobody knows (504, connection lost): it may be seen once.
    Unknown,
}

/// A command. One that was repeated with its idempotency key is listed once, with the best answer it got. A list of them is
/// a file with one a line, in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// What it was for.
    pub verb: Verb,
    /// The ticket, order or payment: what the answer names, or the request. `None`: nobody said which.
    pub id: Option<String>,
    /// The subject's version, as the answer has it.
    pub version: Option<u64>,
    /// How it was answered.
    pub answered: Answered,
}
