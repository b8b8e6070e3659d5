//! Orders: each goes a legal way, to its end.

use crate::book::{Book, Order};
use crate::report::{Report, Rule};
use crate::tickets::versions;

pub(crate) fn audit(book: &Book, report: &mut Report) {
    for (id, order) in &book.orders {
        versions(id, &order.events, report);
        legal(id, order, report);
        let ticket = order.created().map(|created| created.ticket_id.as_str());
        let known = ticket.is_some_and(|ticket| book.tickets.contains_key(ticket));
        report.hold(known, Rule::OrderLegal, || format!("{id} is of {ticket:?}, which is no ticket"));
        let ended = order.is_complete() || order.has("order.cancelled") || order.has("order.failed");
        report.hold(ended, Rule::OrderEnded, || format!("{id} has no end: {}", way(order)));
    }
}

fn legal(id: &str, order: &Order, report: &mut Report) {
    let kinds: Vec<_> = order.events.iter().map(|event| event.kind.as_str()).collect();
    let legal = matches!(
        kinds.as_slice(),
        ["order.created"]
            | ["order.created", "order.pending"]
            | ["order.created", "order.cancelled"]
            | ["order.created", "order.pending", "order.cancelled" | "order.failed"]
    );
    report.hold(legal, Rule::OrderLegal, || format!("{id} went {}", way(order)));
    let pending = order.events.iter().find(|event| event.kind == "order.pending");
    let paying = |payment: &str| {
        order.payments.iter().any(|event| event.kind == "payment.created" && event.id == payment)
    };
    if let Some(pending) = pending {
        let paid_by = pending.text("paymentId");
        report.hold(paid_by.is_some_and(paying), Rule::OrderLegal, || {
            format!("{id} waits for the payment {paid_by:?}, which was never announced")
        });
    }
    if order.has("order.failed") {
        report.hold(order.has("payment.failed"), Rule::OrderLegal, || {
            format!("{id} failed, and its payment did not")
        });
    }
    let same = |name: &str| order.events.windows(2).all(|pair| pair[0].text(name) == pair[1].text(name));
    report.hold(same("userId") && same("ticketId"), Rule::OrderLegal, || {
        format!("{id} changed its user or its ticket")
    });
}

fn way(order: &Order) -> String {
    let all = order.events.iter().chain(&order.payments).chain(&order.expirations);
    all.map(|event| event.kind.as_str()).collect::<Vec<_>>().join(", ")
}
