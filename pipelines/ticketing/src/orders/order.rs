//! What the service knows of orders, and of the tickets that they are for.

use serde::{Deserialize, Serialize};
use thalweg::state::Row;

use crate::events::OrderEvent;

/// A ticket as orders knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// Who sells it.
    pub seller: String,
    /// What it costs.
    pub price: u64,
    /// Of the newest event of the ticket.
    pub version: u64,
    /// How many orders it has had.
    pub orders: u64,
    /// The order that has it: active, or complete.
    pub holder: Option<String>,
}

impl Row for Seat {}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Waits for its payment.
    Created,
    /// Its payment has begun.
    Pending,
    /// Paid.
    Complete,
    /// Given up, or expired.
    Cancelled,
    /// Its payment failed.
    Failed,
}

impl Status {
    /// Whether nothing more can become of it.
    #[must_use]
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Complete | Self::Cancelled | Self::Failed)
    }
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Who ordered.
    pub user_id: String,
    /// Which of the ticket's orders it is.
    pub number: u64,
    /// Counts what became of it.
    pub version: u64,
    /// Where it stands.
    pub status: Status,
    /// What is to be paid: the ticket's price when it was ordered.
    pub price: u64,
    /// When it expires, in ms since 1970.
    pub expires_at_ms: i64,
    /// Its payment.
    pub payment: Option<String>,
    /// Why it ended.
    pub reason: Option<String>,
}

impl Row for Order {}

/// An order as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderView<'o> {
    id: &'o str,
    user_id: &'o str,
    ticket_id: &'o str,
    status: Status,
    version: u64,
    price: u64,
    expires_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_id: Option<&'o str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'o str>,
}

impl Order {
    /// As its user sees it.
    #[must_use]
    pub fn view<'o>(&'o self, id: &'o str, ticket_id: &'o str) -> OrderView<'o> {
        OrderView {
            id,
            user_id: &self.user_id,
            ticket_id,
            status: self.status,
            version: self.version,
            price: self.price,
            expires_at: self.expires_at_ms,
            payment_id: self.payment.as_deref(),
            reason: self.reason.as_deref(),
        }
    }

    pub(super) fn event(&self, id: &str, ticket_id: &str) -> OrderEvent {
        OrderEvent {
            id: id.to_owned(),
            user_id: self.user_id.clone(),
            ticket_id: ticket_id.to_owned(),
            version: self.version,
            number: self.number,
            price: self.price,
            expires_at: self.expires_at_ms,
            payment_id: self.payment.clone(),
            reason: self.reason.clone(),
        }
    }
}
