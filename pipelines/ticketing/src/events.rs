//! What the services say to each other: the events of the topics `tickets`, `orders`, `payments` and `expiration`.
//!
//! A JSON object with a `type`, keyed by the ticket's id. Whatever it says is said in full, so that an event can be
//! understood without those before it; `version` counts what became of its subject, so that one that comes late or twice is
//! known for it. Times are in ms since 1970, prices in the currency's smallest unit.

mod newest;
mod reading;

pub use newest::Newest;
pub use reading::{Unreadable, read};
use serde::{Deserialize, Serialize};

/// The form of events that this program writes, and the only one it reads: their field `schema`. Without one it is this.
pub const SCHEMA: u32 = 1;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Event {
    /// A ticket is for sale.
    #[serde(rename = "ticket.created")]
    TicketCreated(TicketEvent),
    /// A ticket was edited, reserved or released.
    #[serde(rename = "ticket.updated")]
    TicketUpdated(TicketEvent),
    /// Somebody has a ticket until the order expires.
    #[serde(rename = "order.created")]
    OrderCreated(OrderEvent),
    /// Its payment has begun: it does not expire any more.
    #[serde(rename = "order.pending")]
    OrderPending(OrderEvent),
    /// It was given up by its user, or has expired.
    #[serde(rename = "order.cancelled")]
    OrderCancelled(OrderEvent),
    /// Its payment failed.
    #[serde(rename = "order.failed")]
    OrderFailed(OrderEvent),
    /// Somebody wants to pay for an order.
    #[serde(rename = "payment.created")]
    PaymentCreated(PaymentEvent),
    /// The order is paid.
    #[serde(rename = "payment.succeeded")]
    PaymentSucceeded(PaymentEvent),
    /// It is not, and won't be by this payment.
    #[serde(rename = "payment.failed")]
    PaymentFailed(PaymentEvent),
    /// An order was not paid for in time.
    #[serde(rename = "expiration.expired")]
    ExpirationExpired(ExpirationEvent),
}

/// What is said of a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketEvent {
    /// The ticket.
    pub id: String,
    /// Who sells it.
    pub user_id: String,
    /// The ticket, again: all events say so.
    pub ticket_id: String,
    /// 1 when it was created.
    pub version: u64,
    /// What it is for.
    pub title: String,
    /// What it costs.
    pub price: u64,
    /// The order that has it, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
}

/// What is said of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderEvent {
    /// The order.
    pub id: String,
    /// Who ordered.
    pub user_id: String,
    /// The ticket.
    pub ticket_id: String,
    /// 1 when it was created.
    pub version: u64,
    /// Which of the ticket's orders it is, from 1: each begins after the one before it has ended.
    pub number: u64,
    /// What is to be paid.
    pub price: u64,
    /// When it expires.
    pub expires_at: i64,
    /// The payment that has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<String>,
    /// Why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What is said of a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentEvent {
    /// The payment.
    pub id: String,
    /// Who pays.
    pub user_id: String,
    /// The ticket.
    pub ticket_id: String,
    /// The order.
    pub order_id: String,
    /// 1 when it was created.
    pub version: u64,
    /// What is paid.
    pub amount: u64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What is said of an expiration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpirationEvent {
    /// The order: an order expires once at most.
    pub id: String,
    /// Who ordered.
    pub user_id: String,
    /// The ticket.
    pub ticket_id: String,
    /// The order.
    pub order_id: String,
    /// Always 1.
    pub version: u64,
    /// When it was to expire.
    pub expires_at: i64,
}

impl Event {
    /// The ticket that it is about: its key.
    #[must_use]
    pub fn ticket_id(&self) -> &str {
        match self {
            Self::TicketCreated(event) | Self::TicketUpdated(event) => &event.ticket_id,
            Self::OrderCreated(event)
            | Self::OrderPending(event)
            | Self::OrderCancelled(event)
            | Self::OrderFailed(event) => &event.ticket_id,
            Self::PaymentCreated(event) | Self::PaymentSucceeded(event) | Self::PaymentFailed(event) => {
                &event.ticket_id
            }
            Self::ExpirationExpired(event) => &event.ticket_id,
        }
    }

    /// The order that it is about, if it is about one.
    #[must_use]
    pub fn order_id(&self) -> Option<&str> {
        match self {
            Self::TicketCreated(_) | Self::TicketUpdated(_) => None,
            Self::OrderCreated(event)
            | Self::OrderPending(event)
            | Self::OrderCancelled(event)
            | Self::OrderFailed(event) => Some(&event.id),
            Self::PaymentCreated(event) | Self::PaymentSucceeded(event) | Self::PaymentFailed(event) => {
                Some(&event.order_id)
            }
            Self::ExpirationExpired(event) => Some(&event.order_id),
        }
    }
}
