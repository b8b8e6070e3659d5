//! What can be asked of orders, before it is a command.

use serde::Deserialize;
use thalweg::commands::{NewCommand, Problem, Request};

use super::Command;
use crate::ids::{is_id, ticket_of};
use crate::requests::{command, must, order_id};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wanted {
    ticket_id: String,
}

/// `POST /orders` {ticketId}.
pub(crate) fn create(request: &Request<'_>) -> Result<NewCommand, Problem> {
    let Wanted { ticket_id } = request.json()?;
    must(is_id(&ticket_id, 1), "ticket-id-invalid", "ticketId is no ticket's id")?;
    let order_id = format!("{ticket_id}.{}", request.new_id("order"));
    command(&ticket_id, &Command::CreateOrder { order_id, user_id: request.user.to_owned() })
}

/// `DELETE /orders/{id}`.
pub(crate) fn cancel(request: &Request<'_>) -> Result<NewCommand, Problem> {
    let id = order_id(request.parameter("id"))?;
    let (order_id, user_id) = (id.to_owned(), request.user.to_owned());
    command(ticket_of(id), &Command::CancelOrder { order_id, user_id })
}
