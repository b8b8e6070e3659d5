//! The service orders: who has which ticket, and until when.

mod case;
mod commands;
mod events;
mod operator;
mod order;
pub(crate) mod requests;

pub use case::Case;
pub use operator::Orders;
pub use order::{Order, OrderView, Seat, Status};
use serde::{Deserialize, Serialize};

/// What users want of orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Command {
    /// To have a ticket.
    CreateOrder {
        /// The order's id, drawn by who takes the command; begins with the ticket's.
        order_id: String,
        /// Who orders.
        user_id: String,
    },
    /// To give an order up.
    CancelOrder {
        /// The order.
        order_id: String,
        /// Who wants it.
        user_id: String,
    },
}

impl Command {
    /// The order that it is about.
    #[must_use]
    pub fn order_id(&self) -> &str {
        let (Self::CreateOrder { order_id, .. } | Self::CancelOrder { order_id, .. }) = self;
        order_id
    }
}
