//! Tickets: sold once, and saying so.

use crate::book::{Book, Event};
use crate::report::{Report, Rule};

pub(crate) fn audit(book: &Book, report: &mut Report) {
    for (ticket, turns) in &book.turns {
        let mut holder: Option<&str> = None;
        for turn in turns {
            if turn.takes {
                report.hold(holder.is_none(), Rule::TicketSoldOnce, || {
                    format!("ticket {ticket}: {} began while {holder:?} had it", turn.order_id)
                });
                holder = Some(&turn.order_id);
            } else if holder == Some(turn.order_id.as_str()) {
                holder = None;
            }
        }
    }
    for (ticket, events) in &book.tickets {
        versions(ticket, events, report);
        let first = events.iter().position(|event| event.kind == "ticket.created");
        report.hold(first == Some(0), Rule::EachEventOnce, || {
            format!("ticket {ticket} does not begin by being created")
        });
        agrees(book, ticket, events, report);
    }
    let sold: Vec<_> = book.orders.iter().filter(|(_, order)| order.is_complete()).collect();
    let mut owners = std::collections::BTreeMap::new();
    for (id, order) in sold {
        let Some(created) = order.created() else { continue };
        if let Some(other) = owners.insert(&created.ticket_id, id) {
            report.complain(
                Rule::TicketSoldOnce,
                format!("ticket {} is sold to {other} and to {id}", created.ticket_id),
            );
        }
    }
}

/// They count up from 1, in the order in which they lie.
pub(crate) fn versions(subject: &str, events: &[Event], report: &mut Report) {
    let in_order = events.iter().zip(1..).all(|(event, version)| event.version == version);
    report.hold(in_order, Rule::EachEventOnce, || {
        let found: Vec<_> = events.iter().map(|event| event.version).collect();
        format!("{subject}'s versions are {found:?}, and should count from 1")
    });
}

/// In the end a ticket names the order that has it, and none if none has.
fn agrees(book: &Book, ticket: &str, events: &[Event], report: &mut Report) {
    let mut holders: Vec<&str> = Vec::new();
    for turn in book.turns.get(ticket).into_iter().flatten() {
        holders.retain(|holder| *holder != turn.order_id);
        if turn.takes {
            holders.push(&turn.order_id);
        }
    }
    let said = events.last().and_then(|event| event.text("orderId"));
    let holder = holders.last().copied();
    report.hold(said == holder, Rule::TicketAgrees, || {
        format!("ticket {ticket} says that {said:?} has it, and {holder:?} does")
    });
}
