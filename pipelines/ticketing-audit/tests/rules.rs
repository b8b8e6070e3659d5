//! A history in which everything holds, and every rule broken in it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use ticketing_audit::{Answered, Entry, History, Record, Rule, Sent, Verb, audit};

const DEADLINE_MS: i64 = 5_000;

fn record(ticket: &str, timestamp_ms: i64, value: &Value) -> Record {
    Record { timestamp_ms, key: ticket.to_owned(), value: value.to_string() }
}

fn ticket(kind: &str, id: &str, version: u64, order: Option<&str>) -> Record {
    let mut value = json!({
        "type": kind, "id": id, "userId": "seller", "ticketId": id, "version": version, "title": "x", "price": 10,
    });
    if let Some(order) = order {
        value["orderId"] = order.into();
    }
    record(id, 0, &value)
}

fn order(kind: &str, id: &str, version: u64, more: Value) -> Record {
    let ticket = id.split_once('.').unwrap().0;
    let mut value = json!({
        "type": kind, "id": id, "userId": "u1", "ticketId": ticket, "version": version, "price": 10,
        "expiresAt": DEADLINE_MS,
    });
    if let Value::Object(more) = more {
        value.as_object_mut().unwrap().extend(more);
    }
    record(ticket, 0, &value)
}

fn payment(kind: &str, order: &str, version: u64) -> Record {
    let ticket = order.split_once('.').unwrap().0;
    let value = json!({
        "type": kind, "id": format!("{order}.p"), "userId": "u1", "ticketId": ticket, "orderId": order,
        "version": version, "amount": 10,
    });
    record(ticket, 0, &value)
}

fn expired(order: &str, at_ms: i64) -> Record {
    let ticket = order.split_once('.').unwrap().0;
    let value = json!({
        "type": "expiration.expired", "id": order, "userId": "u1", "ticketId": ticket, "orderId": order,
        "version": 1, "expiresAt": DEADLINE_MS,
    });
    record(ticket, at_ms, &value)
}

fn charge(order: &str) -> Entry {
    Entry::Charge { order_id: order.to_owned(), amount: 10 }
}

fn refund(order: &str) -> Entry {
    Entry::Refund { order_id: order.to_owned(), amount: 10 }
}

fn sent(verb: Verb, id: &str, answered: Answered) -> Sent {
    Sent { verb, id: Some(id.to_owned()), version: None, answered }
}

/// Ticket a: its first order expires, its second is given up while it is charged, its third is paid. Ticket b: its
/// payment fails; then an order is cancelled before its payment has begun. Ticket c is only edited.
fn good() -> History {
    let none = || json!({});
    let pays = |order: &str| json!({ "paymentId": format!("{order}.p") });
    let because = |reason: &str| json!({ "reason": reason });
    let records = vec![
        ticket("ticket.created", "a", 1, None),
        ticket("ticket.updated", "a", 2, Some("a.1")),
        ticket("ticket.updated", "a", 3, None),
        ticket("ticket.updated", "a", 4, Some("a.2")),
        ticket("ticket.updated", "a", 5, Some("a.3")),
        ticket("ticket.created", "b", 1, None),
        ticket("ticket.created", "c", 1, None),
        ticket("ticket.updated", "c", 2, None),
        order("order.created", "a.1", 1, none()),
        order("order.cancelled", "a.1", 2, because("expired")),
        order("order.created", "a.2", 1, none()),
        order("order.pending", "a.2", 2, pays("a.2")),
        order("order.cancelled", "a.2", 3, because("given up")),
        order("order.created", "a.3", 1, none()),
        order("order.pending", "a.3", 2, pays("a.3")),
        order("order.created", "b.1", 1, none()),
        order("order.pending", "b.1", 2, pays("b.1")),
        order("order.failed", "b.1", 3, because("declined")),
        order("order.created", "b.2", 1, none()),
        order("order.cancelled", "b.2", 2, because("given up")),
        payment("payment.created", "a.2", 1),
        payment("payment.failed", "a.2", 2),
        payment("payment.created", "a.3", 1),
        payment("payment.succeeded", "a.3", 2),
        payment("payment.created", "b.1", 1),
        payment("payment.failed", "b.1", 2),
        payment("payment.created", "b.2", 1),
        payment("payment.failed", "b.2", 2),
        expired("a.1", DEADLINE_MS),
    ];
    let accepted = Answered::Accepted;
    let mut commands = vec![
        sent(Verb::CreateTicket, "a", accepted),
        sent(Verb::CreateOrder, "a.1", accepted),
        sent(Verb::CreateOrder, "a.2", accepted),
        sent(Verb::CancelOrder, "a.2", accepted),
        sent(Verb::CreatePayment, "a.3.p", accepted),
        sent(Verb::EditTicket, "c", accepted),
        sent(Verb::CreateOrder, "a.9", Answered::Refused),
        sent(Verb::CancelOrder, "a.1", Answered::Refused),
        sent(Verb::CreateOrder, "b.1", Answered::Unknown),
        sent(Verb::CreateOrder, "b.9", Answered::Unknown),
    ];
    commands[5].version = Some(2);
    History { records, ledger: vec![charge("a.2"), refund("a.2"), charge("a.3")], commands }
}

/// Where that event of that subject, or about that order, lies.
fn at(history: &History, kind: &str, id: &str) -> usize {
    let found = history.records.iter().position(|record| {
        let value: Value = serde_json::from_str(&record.value).unwrap();
        value["type"] == kind && (value["id"] == id || value["orderId"] == id)
    });
    found.unwrap()
}

fn drop_one(history: &mut History, kind: &str, id: &str) {
    let place = at(history, kind, id);
    history.records.remove(place);
}

fn repeat(history: &mut History, kind: &str, id: &str) {
    let place = at(history, kind, id);
    let again = history.records[place].clone();
    history.records.push(again);
}

fn set(history: &mut History, kind: &str, id: &str, name: &str, to: Value) {
    let place = at(history, kind, id);
    let record = &mut history.records[place];
    let mut value: Value = serde_json::from_str(&record.value).unwrap();
    value[name] = to;
    record.value = value.to_string();
}

#[test]
fn a_history_in_which_everything_holds_is_clean_and_counted() {
    let report = audit(&good());
    assert!(report.is_clean(), "{report:#?}");
    let counts = serde_json::to_value(&report.counts).unwrap();
    let expected = json!({
        "tickets": 3, "orders": 5, "paid": 1, "expired": 1, "cancelled": 2, "failed": 1, "charges": 2, "refunds": 1,
        "accepted": 6, "refused": 2, "unknown_done": 1, "unknown_not_seen": 1,
    });
    assert_eq!(counts, expected);
}

type Break = (&'static str, Rule, fn(&mut History));

const BREAKS: [Break; 37] = [
    ("no JSON", Rule::Readable, |h| h.records[0].value = "x".to_owned()),
    ("unknown type", Rule::Readable, |h| set(h, "payment.failed", "b.2", "type", "payment.lost".into())),
    ("wrong key", Rule::Readable, |h| h.records[0].key = "z".to_owned()),
    ("no version", Rule::Readable, |h| set(h, "order.failed", "b.1", "version", Value::Null)),
    ("payment without order", Rule::Readable, |h| set(h, "payment.created", "b.2", "orderId", Value::Null)),
    ("order created twice", Rule::EachEventOnce, |h| repeat(h, "order.created", "a.1")),
    ("payment succeeded twice", Rule::EachEventOnce, |h| repeat(h, "payment.succeeded", "a.3")),
    ("ticket version missing", Rule::EachEventOnce, |h| drop_one(h, "ticket.updated", "a")),
    ("order version missing", Rule::EachEventOnce, |h| set(h, "order.failed", "b.1", "version", 4.into())),
    ("ticket out of nothing", Rule::EachEventOnce, |h| drop_one(h, "ticket.created", "c")),
    ("two orders at a time", Rule::TicketSoldOnce, |h| {
        let end = at(h, "order.cancelled", "a.1");
        let end = h.records.remove(end);
        h.records.push(end);
    }),
    ("sold twice", Rule::TicketSoldOnce, |h| {
        drop_one(h, "order.cancelled", "a.2");
        set(h, "payment.failed", "a.2", "type", "payment.succeeded".into());
    }),
    ("failed without waiting", Rule::OrderLegal, |h| {
        drop_one(h, "order.pending", "b.1");
    }),
    ("goes on after its end", Rule::OrderLegal, |h| {
        h.records.push(order("order.pending", "a.1", 3, json!({ "paymentId": "a.1.p" })));
    }),
    ("waits for no payment", Rule::OrderLegal, |h| {
        set(h, "order.pending", "a.3", "paymentId", "a.3.q".into())
    }),
    ("failed, and its payment did not", Rule::OrderLegal, |h| {
        set(h, "payment.failed", "b.1", "type", "payment.succeeded".into());
    }),
    ("another user", Rule::OrderLegal, |h| set(h, "order.pending", "a.3", "userId", "u2".into())),
    ("of no ticket", Rule::OrderLegal, |h| {
        h.records.push(order("order.created", "z.1", 1, json!({})));
        h.records.push(order("order.cancelled", "z.1", 2, json!({})));
    }),
    ("no end", Rule::OrderEnded, |h| drop_one(h, "order.cancelled", "b.2")),
    ("pending for ever", Rule::OrderEnded, |h| drop_one(h, "payment.succeeded", "a.3")),
    ("expired twice", Rule::ExpiredOnce, |h| repeat(h, "expiration.expired", "a.1")),
    ("early", Rule::NeverEarly, |h| {
        let place = at(h, "expiration.expired", "a.1");
        h.records[place].timestamp_ms = DEADLINE_MS - 1;
    }),
    ("cancelled as expired, and has not", Rule::ExpiredForAReason, |h| {
        drop_one(h, "expiration.expired", "a.1")
    }),
    ("another deadline", Rule::NeverEarly, |h| {
        set(h, "expiration.expired", "a.1", "expiresAt", (DEADLINE_MS - 1).into());
    }),
    ("expired while it was being paid", Rule::ExpiredForAReason, |h| {
        h.records.push(expired("a.2", DEADLINE_MS));
        set(h, "order.cancelled", "a.2", "reason", "expired".into());
    }),
    ("expired for nothing", Rule::ExpiredForAReason, |h| {
        drop_one(h, "order.pending", "b.1");
        drop_one(h, "order.failed", "b.1");
        h.records.push(expired("b.1", DEADLINE_MS));
    }),
    ("payment without an end", Rule::PaymentLegal, |h| drop_one(h, "payment.failed", "b.2")),
    ("payment of somebody else", Rule::PaymentLegal, |h| {
        set(h, "payment.created", "b.2", "userId", "u2".into())
    }),
    ("two payments", Rule::PaymentLegal, |h| set(h, "payment.failed", "b.2", "id", "b.2.q".into())),
    ("a ticket that says nothing", Rule::TicketAgrees, |h| {
        set(h, "ticket.created", "b", "orderId", "b.2".into());
    }),
    ("charged twice", Rule::ChargedOnce, |h| h.ledger.push(charge("a.3"))),
    ("refunded twice", Rule::ChargedOnce, |h| h.ledger.push(refund("a.2"))),
    ("another price", Rule::ChargedRightly, |h| {
        h.ledger[2] = Entry::Charge { order_id: "a.3".to_owned(), amount: 9 }
    }),
    ("charged for nothing", Rule::ChargedForATicket, |h| h.ledger.push(charge("b.2"))),
    ("never refunded", Rule::ChargedForATicket, |h| drop(h.ledger.remove(1))),
    ("for nothing", Rule::ChargedForATicket, |h| drop(h.ledger.remove(2))),
    ("complete, and refunded", Rule::ChargedForATicket, |h| h.ledger.push(refund("a.3"))),
];

#[test]
fn every_break_is_found_by_its_rule() {
    for (name, rule, spoil) in BREAKS {
        let mut history = good();
        spoil(&mut history);
        let report = audit(&history);
        assert!(report.broken.contains_key(&rule), "{name}: {report:#?}");
        assert!(report.problems.iter().any(|problem| problem.rule == rule), "{name}");
    }
}

#[test]
fn commands_are_seen_as_often_as_their_answers_say() {
    use Answered::{Accepted, Refused, Unknown};
    let breaks = [
        sent(Verb::CreateOrder, "a.9", Accepted),
        sent(Verb::CreateTicket, "z", Accepted),
        sent(Verb::CreatePayment, "a.1.p", Accepted),
        sent(Verb::CancelOrder, "a.1", Accepted),
        sent(Verb::CancelOrder, "a.3", Accepted),
        Sent { version: Some(3), ..sent(Verb::EditTicket, "c", Accepted) },
        sent(Verb::EditTicket, "c", Accepted),
        Sent { id: None, ..sent(Verb::CreateOrder, "", Accepted) },
        // Two users were told that it is theirs.
        sent(Verb::CreateOrder, "a.1", Accepted),
        sent(Verb::CreateOrder, "b.2", Refused),
        sent(Verb::CreatePayment, "b.2.p", Refused),
        sent(Verb::CreateTicket, "b", Refused),
    ];
    for wrong in breaks {
        let mut history = good();
        history.commands.push(wrong.clone());
        assert!(audit(&history).broken.contains_key(&Rule::CommandOnce), "{wrong:?}");
    }
    let mut twice = good();
    twice.records.push(order("order.created", "b.1", 9, json!({})));
    twice.commands = vec![sent(Verb::CreateOrder, "b.1", Unknown)];
    assert!(audit(&twice).broken.contains_key(&Rule::CommandOnce));
    let mut harmless = good();
    harmless.commands.push(Sent { id: None, ..sent(Verb::CreateOrder, "", Unknown) });
    harmless.commands.push(sent(Verb::EditTicket, "c", Unknown));
    harmless.commands.push(sent(Verb::EditTicket, "c", Refused));
    assert!(audit(&harmless).is_clean());
}

#[test]
fn every_problem_is_counted_and_not_all_are_listed() {
    let mut history = good();
    let unreadable = Record { timestamp_ms: 0, key: "a".to_owned(), value: String::new() };
    history.records.extend(std::iter::repeat_n(unreadable, 1_000));
    let report = audit(&history);
    assert_eq!(report.broken[&Rule::Readable], 1_000);
    assert!(report.problems.len() < 100);
}
