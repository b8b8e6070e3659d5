//! What requests of all services have in common, before they are commands: ids that are in order, and the record.

use serde::Serialize;
use thalweg::commands::{NewCommand, Problem};

use crate::ids;

/// A ticket's id that a client has sent.
pub(crate) fn ticket_id(id: &str) -> Result<&str, Problem> {
    checked(id, 1, "ticket")
}

/// An order's id that a client has sent.
pub(crate) fn order_id(id: &str) -> Result<&str, Problem> {
    checked(id, 2, "order")
}

/// What can be no id is nobody's: no record is written for it.
fn checked<'i>(id: &'i str, parts: usize, what: &str) -> Result<&'i str, Problem> {
    if ids::is_id(id, parts) {
        return Ok(id);
    }
    Err(Problem::new(404, &format!("{what}-unknown"), format!("no {what} has such an id")))
}

/// Refuses what is not so.
pub(crate) fn must(holds: bool, name: &str, detail: impl Into<String>) -> Result<(), Problem> {
    if holds { Ok(()) } else { Err(Problem::new(422, name, detail)) }
}

/// The record of a command that concerns a ticket.
pub(crate) fn command(ticket_id: &str, command: &impl Serialize) -> Result<NewCommand, Problem> {
    let value = serde_json::to_vec(command).map_err(|error| Problem::bad_request(error.to_string()))?;
    Ok(NewCommand { key: ticket_id.as_bytes().to_vec(), value })
}
