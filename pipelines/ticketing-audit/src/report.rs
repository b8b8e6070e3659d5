//! What is found.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::book::Book;

/// Problems of a rule that are listed; the others are only counted.
const LISTED_PER_RULE: u64 = 20;

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Every record is an event of the documented form, keyed by its ticket.
    Readable,
    /// No event is there twice, and no version of a subject is missing.
    EachEventOnce,
    /// A ticket has one active order at a time, and is sold once.
    TicketSoldOnce,
    /// An order's events are a way that orders can go.
    OrderLegal,
    /// No order is left without an end.
    OrderEnded,
    /// An order expires once at most.
    ExpiredOnce,
    /// Nothing expires before its time.
    NeverEarly,
    /// What expired had an order that nobody had begun to pay or had ended; who is cancelled as expired has expired.
    ExpiredForAReason,
    /// A payment's events are a way that payments can go, and have an end.
    PaymentLegal,
    /// The tickets say what their orders say.
    TicketAgrees,
    /// An order is charged once at most.
    ChargedOnce,
    /// What is charged is its order's price.
    ChargedRightly,
    /// Who is charged has the ticket, or the money back; nobody has both, or neither.
    ChargedForATicket,
    /// A command that was accepted is seen once, one that was refused is not, one of unknown fate at most once.
    CommandOnce,
}

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Which rule.
    pub rule: Rule,
    /// Whom it concerns, and what is wrong.
    pub what: String,
}

/// How much there was.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Tickets.
    pub tickets: u64,
    /// Orders that were created.
    pub orders: u64,
    /// Those that were paid.
    pub paid: u64,
    /// Those that expired.
    pub expired: u64,
    /// Those that were given up by their users.
    pub cancelled: u64,
    /// Those whose payment failed.
    pub failed: u64,
    /// Charges.
    pub charges: u64,
    /// Charges that were given back.
    pub refunds: u64,
    /// Commands that were accepted.
    pub accepted: u64,
    /// Commands that were refused.
    pub refused: u64,
    /// Commands of which nobody knows, and which were done.
    pub unknown_done: u64,
    /// Commands of which nobody knows, and which were not done, or can't be found.
    pub unknown_not_seen: u64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// How much there was.
    pub counts: Counts,
    /// How often each rule was broken.
    pub broken: BTreeMap<Rule, u64>,
    /// The first of each.
    pub problems: Vec<Problem>,
}

impl Report {
    /// Whether every rule holds.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.broken.is_empty()
    }

    pub(crate) fn complain(&mut self, rule: Rule, what: impl Into<String>) {
        let times = self.broken.entry(rule).or_default();
        *times += 1;
        if *times <= LISTED_PER_RULE {
            self.problems.push(Problem { rule, what: what.into() });
        }
    }

    /// Complains unless it holds.
    pub(crate) fn hold(&mut self, holds: bool, rule: Rule, what: impl FnOnce() -> String) {
        if !holds {
            self.complain(rule, what());
        }
    }
}

impl Counts {
    pub(crate) fn count(&mut self, book: &Book) {
        self.tickets = book.tickets.len() as u64;
        self.orders = book.orders.len() as u64;
        for order in book.orders.values() {
            let ended_by = |kind, reason: &str| {
                let because = |event: &&crate::book::Event| event.text("reason") == Some(reason);
                order.events.iter().filter(|event| event.kind == kind).any(|event| because(&event))
            };
            self.paid += u64::from(order.is_complete());
            self.expired += u64::from(ended_by("order.cancelled", "expired"));
            let cancelled = order.has("order.cancelled") && !ended_by("order.cancelled", "expired");
            self.cancelled += u64::from(cancelled);
            self.failed += u64::from(order.has("order.failed"));
        }
    }
}
