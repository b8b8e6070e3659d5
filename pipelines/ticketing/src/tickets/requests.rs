//! What can be asked of tickets, before it is a command.

use serde::Deserialize;
use thalweg::commands::{Answer, NewCommand, Problem, Request};
use thalweg::views::{PageRequest, View};

use super::Command;
use crate::requests::{command, must, ticket_id};

const TITLE_BYTES_MAX: usize = 200;
/// In the currency's smallest unit: ten million of the unit that people use.
const PRICE_MAX: u64 = 1_000_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    title: String,
    price: u64,
}

/// `POST /tickets` {title, price}.
pub(crate) fn create(request: &Request<'_>) -> Result<NewCommand, Problem> {
    let Described { title, price } = described(request)?;
    let (id, user_id) = (request.new_id("ticket"), request.user.to_owned());
    command(&id, &Command::CreateTicket { ticket_id: id.clone(), user_id, title, price })
}

/// `PUT /tickets/{id}` {title, price}.
pub(crate) fn edit(request: &Request<'_>) -> Result<NewCommand, Problem> {
    let id = ticket_id(request.parameter("id"))?;
    let Described { title, price } = described(request)?;
    let (ticket_id, user_id) = (id.to_owned(), request.user.to_owned());
    command(id, &Command::EditTicket { ticket_id, user_id, title, price })
}

/// `GET /tickets/{id}`: for anybody.
pub(crate) fn one(tickets: &View<()>, request: &Request<'_>) -> Result<Answer, Problem> {
    let id = ticket_id(request.parameter("id"))?;
    let found = tickets.get(id);
    let found =
        found.ok_or_else(|| Problem::new(404, "ticket-unknown", format!("there is no ticket {id}")))?;
    Ok(found.answer())
}

/// `GET /tickets`: for anybody.
pub(crate) fn all(tickets: &View<()>, request: &Request<'_>) -> Result<Answer, Problem> {
    Ok(tickets.page(&PageRequest::of(request)?, |_id, ()| true).answer())
}

fn described(request: &Request<'_>) -> Result<Described, Problem> {
    let described: Described = request.json()?;
    let Described { title, price } = &described;
    let is_title = !title.trim().is_empty() && !title.chars().any(char::is_control);
    let size = 1..=TITLE_BYTES_MAX;
    must(
        is_title && size.contains(&title.len()),
        "title-invalid",
        format!("a title has 1 to {TITLE_BYTES_MAX} bytes of text in one line"),
    )?;
    must(
        (1..=PRICE_MAX).contains(price),
        "price-invalid",
        format!("a price is a whole number from 1 to {PRICE_MAX}, in the currency's smallest unit"),
    )?;
    Ok(described)
}
