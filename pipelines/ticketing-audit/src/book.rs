//! The history, sorted by what it is about.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::history::{History, Record};
use crate::report::{Report, Rule};

/// An event as it was read.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) ticket_id: String,
    pub(crate) version: u64,
    pub(crate) timestamp_ms: i64,
    fields: Map<String, Value>,
}

impl Event {
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str()
    }

    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.fields.get(name)?.as_i64()
    }
}

/// What is known of an order: its own events, and those of others about it, each in the order of their topic.
#[derive(Debug, Default)]
pub(crate) struct Order {
    pub(crate) events: Vec<Event>,
    pub(crate) payments: Vec<Event>,
    pub(crate) expirations: Vec<Event>,
}

impl Order {
    pub(crate) fn has(&self, kind: &str) -> bool {
        self.events.iter().chain(&self.payments).any(|event| event.kind == kind)
    }

    /// Whether it came to be paid: there is no event of its own for that.
    pub(crate) fn is_complete(&self) -> bool {
        let ended = self.has("order.cancelled") || self.has("order.failed");
        self.has("order.pending") && self.has("payment.succeeded") && !ended
    }

    pub(crate) fn created(&self) -> Option<&Event> {
        self.events.iter().find(|event| event.kind == "order.created")
    }
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// Events of each ticket.
    pub(crate) tickets: BTreeMap<String, Vec<Event>>,
    pub(crate) orders: BTreeMap<String, Order>,
    /// How often each payment was created.
    pub(crate) payments: BTreeMap<String, usize>,
    /// The orders of each ticket, in the order of their topic: id, and whether it begins there or ends.
    pub(crate) turns: BTreeMap<String, Vec<Turn>>,
}

/// An order took a ticket, or let it go.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) order_id: String,
    pub(crate) takes: bool,
}

impl Book {
    pub(crate) fn open(history: &History, report: &mut Report) -> Self {
        let mut book = Self::default();
        let mut seen = BTreeSet::new();
        for record in &history.records {
            let event = match read(record) {
                Ok(event) => event,
                Err(why) => {
                    report.complain(Rule::Readable, format!("{why}: {:.200}", record.value));
                    continue;
                }
            };
            let is_new = seen.insert((event.kind.clone(), event.id.clone(), event.version));
            report.hold(is_new, Rule::EachEventOnce, || {
                format!("{} of {}, version {}, is there twice", event.kind, event.id, event.version)
            });
            book.enter(event, report);
        }
        book
    }

    fn enter(&mut self, event: Event, report: &mut Report) {
        let kind = event.kind.as_str();
        if matches!(kind, "order.created" | "order.cancelled" | "order.failed") {
            let turn = Turn { order_id: event.id.clone(), takes: kind == "order.created" };
            self.turns.entry(event.ticket_id.clone()).or_default().push(turn);
        }
        match kind.split_once('.') {
            Some(("ticket", _)) => self.tickets.entry(event.id.clone()).or_default().push(event),
            Some(("order", _)) => self.orders.entry(event.id.clone()).or_default().events.push(event),
            Some((topic, _)) => {
                let Some(order_id) = event.text("orderId").map(str::to_owned) else {
                    report.complain(Rule::Readable, format!("{kind} of {} names no order", event.id));
                    return;
                };
                let order = self.orders.entry(order_id).or_default();
                if kind == "payment.created" {
                    *self.payments.entry(event.id.clone()).or_default() += 1;
                }
                let events = if topic == "payment" { &mut order.payments } else { &mut order.expirations };
                events.push(event);
            }
            None => {}
        }
    }
}

const KINDS: [&str; 10] = [
    "ticket.created",
    "ticket.updated",
    "order.created",
    "order.pending",
    "order.cancelled",
    "order.failed",
    "payment.created",
    "payment.succeeded",
    "payment.failed",
    "expiration.expired",
];

fn read(record: &Record) -> Result<Event, &'static str> {
    let Ok(Value::Object(fields)) = serde_json::from_str(&record.value) else {
        return Err("not a JSON object");
    };
    let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    let kind = text("type").filter(|kind| KINDS.contains(&kind.as_str())).ok_or("not a documented type")?;
    let id = text("id").ok_or("no id")?;
    let ticket_id = text("ticketId").ok_or("no ticketId")?;
    text("userId").ok_or("no userId")?;
    let version = fields.get("version").and_then(Value::as_u64).ok_or("no version")?;
    if record.key != ticket_id {
        return Err("not keyed by its ticket");
    }
    Ok(Event { kind, id, ticket_id, version, timestamp_ms: record.timestamp_ms, fields })
}
