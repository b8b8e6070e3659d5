//! What can be asked of orders, before it is a command.

use serde::Deserialize;
use thalweg::commands::{Answer, NewCommand, Problem, Request};
use thalweg::views::{PageRequest, View};

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

/// What of an order decides who sees it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OwnedOrder {
    user_id: String,
}

/// `GET /orders/{id}`: for who ordered.
pub(crate) fn one(orders: &View<OwnedOrder>, request: &Request<'_>) -> Result<Answer, Problem> {
    let id = order_id(request.parameter("id"))?;
    let found = orders.get(id);
    let found = found.ok_or_else(|| Problem::new(404, "order-unknown", format!("there is no order {id}")))?;
    if found.value.user_id != request.user {
        return Err(Problem::new(403, "order-foreign", format!("the order {id} is another user's")));
    }
    Ok(found.answer())
}

/// `GET /orders`: one's own.
pub(crate) fn own(orders: &View<OwnedOrder>, request: &Request<'_>) -> Result<Answer, Problem> {
    let page = PageRequest::of(request)?;
    Ok(orders.page(&page, |_id, order| order.user_id == request.user).answer())
}
