//! The service tickets: what is for sale, and which order has it.

mod operator;
pub(crate) mod requests;
mod ticket;

pub use operator::Tickets;
use serde::{Deserialize, Serialize};
pub use ticket::{Ticket, TicketView, command, order_event};

/// What users want of tickets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Command {
    /// To sell one.
    CreateTicket {
        /// Its id, drawn by who takes the command.
        ticket_id: String,
        /// Who sells it.
        user_id: String,
        /// What it is for.
        title: String,
        /// What it costs, in the currency's smallest unit.
        price: u64,
    },
    /// To change what it is for, and what it costs.
    EditTicket {
        /// The ticket.
        ticket_id: String,
        /// Who wants it.
        user_id: String,
        /// The new title.
        title: String,
        /// The new price.
        price: u64,
    },
}

impl Command {
    /// The ticket that it is about: its key.
    #[must_use]
    pub fn ticket_id(&self) -> &str {
        let (Self::CreateTicket { ticket_id, .. } | Self::EditTicket { ticket_id, .. }) = self;
        ticket_id
    }
}
