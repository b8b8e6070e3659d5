//! Reading an event: what is not understood is either none of our business or must not be lost.

use serde::Deserialize;
use thalweg::Reason;

use super::{Event, SCHEMA};

/// Why an event is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// A type that this program does not know: whoever added it did not do so for us.
    Unknown,
    /// A type that concerns us, and can't be read: it waits as a dead letter until somebody, or a newer program, can.
    Rejected(Reason),
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    kind: String,
    schema: Option<u32>,
}

/// Types that this program reads.
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

/// Reads the event that a record with that key and value holds.
///
/// # Errors
/// When there is none that concerns us, or it can't be read.
pub fn read(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Event, Unreadable> {
    let reject = |class, detail: String| Unreadable::Rejected(Reason::new(class, detail));
    let value = value.unwrap_or_default();
    let malformed = |error: serde_json::Error| {
        reject("malformed_event", format!("the value is no event that can be read: {error}"))
    };
    let head: Head = serde_json::from_slice(value).map_err(malformed)?;
    if !KINDS.contains(&head.kind.as_str()) {
        return Err(Unreadable::Unknown);
    }
    if let Some(schema) = head.schema.filter(|schema| *schema != SCHEMA) {
        let detail = format!(
            "the {} is of form {schema}, and this program reads form {SCHEMA}: a newer program can replay it",
            head.kind
        );
        return Err(reject("unknown_schema", detail));
    }
    let event: Event = serde_json::from_slice(value).map_err(malformed)?;
    if key != Some(event.ticket_id().as_bytes()) {
        let key = String::from_utf8_lossy(key.unwrap_or_default()).into_owned();
        let ticket = event.ticket_id();
        let detail = format!("the {}'s key is {key:?}, and must be its ticketId, {ticket:?}", head.kind);
        return Err(reject("wrong_key", detail));
    }
    Ok(event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{OrderEvent, TicketEvent};

    fn read_text(key: &str, text: &str) -> Result<Event, Unreadable> {
        read(Some(key.as_bytes()), Some(text.as_bytes()))
    }

    fn class(result: Result<Event, Unreadable>) -> &'static str {
        match result {
            Ok(_) => "read",
            Err(Unreadable::Unknown) => "unknown",
            Err(Unreadable::Rejected(reason)) => reason.class,
        }
    }

    #[test]
    fn the_documents_names_are_written_and_read() {
        let order = OrderEvent {
            id: "t1.o1".to_owned(),
            user_id: "u1".to_owned(),
            ticket_id: "t1".to_owned(),
            version: 1,
            number: 3,
            price: 2_500,
            expires_at: 1_700_000_120_000,
            payment_id: None,
            reason: None,
        };
        let text = r#"{"type":"order.created","id":"t1.o1","userId":"u1","ticketId":"t1","version":1,"number":3,"price":2500,"expiresAt":1700000120000}"#;
        assert_eq!(serde_json::to_string(&Event::OrderCreated(order.clone())).unwrap(), text);
        assert_eq!(read_text("t1", text), Ok(Event::OrderCreated(order)));
    }

    #[test]
    fn every_type_that_is_written_is_read() {
        let ticket = TicketEvent {
            id: "t1".to_owned(),
            user_id: "u1".to_owned(),
            ticket_id: "t1".to_owned(),
            version: 2,
            title: "opera".to_owned(),
            price: 1,
            order_id: Some("t1.o1".to_owned()),
        };
        let mut read_ones = 0;
        for kind in KINDS {
            let mut value = serde_json::to_value(Event::TicketUpdated(ticket.clone())).unwrap();
            // The union of all fields: each type takes its own.
            for (name, number) in [("number", 1), ("expiresAt", 5), ("amount", 1)] {
                value[name] = number.into();
            }
            value["type"] = kind.into();
            let event = read_text("t1", &value.to_string()).unwrap();
            let written = serde_json::to_value(&event).unwrap();
            assert_eq!(written["type"], kind);
            read_ones += 1;
        }
        assert_eq!(read_ones, 10);
    }

    #[test]
    fn what_is_not_understood_is_passed_over_or_kept() {
        let good = r#""id":"t1","userId":"u1","ticketId":"t1","version":1,"title":"x","price":1"#;
        let deep = format!("{{\"type\":{}", "[".repeat(5_000));
        let cases = [
            ("t1", format!(r#"{{"type":"ticket.created",{good}}}"#), "read"),
            ("t1", format!(r#"{{"type":"ticket.created","schema":1,{good},"more":[1]}}"#), "read"),
            ("t1", r#"{"type":"ticket.withdrawn","id":"t1"}"#.to_owned(), "unknown"),
            ("t1", r#"{"type":"ticket.withdrawn","schema":9}"#.to_owned(), "unknown"),
            ("t1", format!(r#"{{"type":"ticket.created","schema":2,{good}}}"#), "unknown_schema"),
            ("t2", format!(r#"{{"type":"ticket.created",{good}}}"#), "wrong_key"),
            ("t1", r#"{"type":"ticket.created","id":"t1"}"#.to_owned(), "malformed_event"),
            ("t1", r#"{"type":7}"#.to_owned(), "malformed_event"),
            ("t1", r#"{"id":"t1"}"#.to_owned(), "malformed_event"),
            ("t1", "no JSON".to_owned(), "malformed_event"),
            ("t1", String::new(), "malformed_event"),
            ("t1", deep, "malformed_event"),
            (
                "t1",
                format!(r#"{{"type":"ticket.created",{good}}}"#).replace(":1,", ":-1,"),
                "malformed_event",
            ),
        ];
        for (key, text, expected) in cases {
            assert_eq!(class(read_text(key, &text)), expected, "{text:.200}");
        }
    }
}
