//! What each flow makes of records that it does not expect, and what its answers look like.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use thalweg::flow::Flow;
use thalweg::kafka::Produce;
use thalweg::trial::{self, TrialRecord, Tried};
use ticketing::flows;
use ticketing::settings::Settings;

const FLOWS: [fn(&Settings) -> Flow; 9] = [
    flows::tickets,
    flows::orders,
    flows::payments,
    flows::expiration,
    flows::orders_tickets,
    flows::orders_payments,
    flows::orders_expiration,
    flows::tickets_orders,
    flows::payments_orders,
];

fn tried(flow: fn(&Settings) -> Flow, value: &str, headers: &[(&str, &str)]) -> Tried {
    let (key, value) = (Some(b"t1".as_slice()), Some(value.as_bytes()));
    let record = TrialRecord { key, value, headers, timestamp_ms: 1_000 };
    trial::run(&flow(&Settings::default()), &record, |_, _| None)
}

#[test]
fn what_is_not_understood_is_passed_over_or_a_dead_letter_in_every_flow() {
    let order =
        r#""id":"t1.o1","userId":"u1","ticketId":"t1","version":1,"number":1,"price":1,"expiresAt":9"#;
    let cases = [
        (r#"{"type":"weather.changed","id":"t1"}"#.to_owned(), None),
        (format!(r#"{{"type":"order.created","schema":2,{order}}}"#), Some("unknown_schema")),
        (format!(r#"{{"type":"order.created",{order}}}"#).replace("\"t1\"", "\"t2\""), Some("wrong_key")),
        (r#"{"type":"order.created","id":"t1.o1"}"#.to_owned(), Some("malformed_event")),
    ];
    for (value, class) in cases {
        for (index, flow) in FLOWS.into_iter().enumerate() {
            let tried = tried(flow, &value, &[]);
            let found = tried.dead_letter.map(|(class, _)| class);
            assert_eq!(
                (found.as_deref(), tried.ended, tried.failed),
                (class, 1, None),
                "flow {index}: {value}"
            );
            assert_eq!(tried.sent, [], "flow {index}: {value}");
        }
    }
    for (index, flow) in FLOWS.into_iter().enumerate() {
        for value in ["", "no JSON", "[]", "{\"type\":\"buy_everything\"}"] {
            let (class, _) = tried(flow, value, &[]).dead_letter.unwrap_or_default();
            let known = class == "malformed_message" || class == "malformed_event";
            // Whoever reads events only knows no commands, and passes their types over.
            let passed = value.contains("buy") && index >= 3 && class.is_empty();
            assert!(known || passed, "flow {index}: {value:?} is {class:?}");
        }
    }
}

#[test]
fn bridges_take_over_what_concerns_the_service_as_it_is() {
    let payment = r#""id":"t1.o1.p1","userId":"u1","ticketId":"t1","orderId":"t1.o1","version":1,"amount":1"#;
    let value = format!(r#"{{"type":"payment.failed",{payment},"unknown":[1]}}"#);
    let taken = tried(flows::orders_payments, &value, &[("message-id", "x")]);
    let (_, request) = &taken.sent[0];
    let record = Produce::decode(&mut request.body.as_slice()).unwrap();
    assert_eq!((record.topic, record.key), ("ticketing-orders-inbox", Some(b"t1".as_slice())));
    assert_eq!(record.value, Some(value.as_bytes()));
    assert_eq!(record.headers.get("message-id"), Some(b"x".as_slice()));
    for flow in
        [flows::orders_tickets, flows::orders_expiration, flows::tickets_orders, flows::payments_orders]
    {
        assert_eq!(tried(flow, &value, &[]).sent, []);
    }
}

#[test]
fn a_command_is_answered_to_who_asked_and_tokens_go_nowhere_else() {
    let command = r#"{"type":"create_payment","paymentId":"t1.o1.p1","userId":"u1","token":"secret"}"#;
    let id = "0123456789abcdef0123456789abcdef";
    let headers = [
        ("correlation-id", id),
        ("reply-partition", "3"),
        ("user", "u1"),
        ("idempotency-key", "k"),
        ("request-hash", id),
    ];
    let answered = tried(flows::payments, command, &headers);
    let (name, request) = &answered.sent[0];
    let reply = Produce::decode(&mut request.body.as_slice()).unwrap();
    assert_eq!((*name, reply.topic, answered.sent.len()), ("replies", "ticketing-replies", 1));
    assert_eq!(reply.headers.get("correlation-id"), Some(id.as_bytes()));
    assert_eq!(reply.partition, Some(3));
    assert_eq!(reply.headers.get("status"), Some(b"404".as_slice()));
    let body = String::from_utf8(reply.value.unwrap().to_vec()).unwrap();
    assert!(body.contains("urn:problem:order-unknown") && !body.contains("secret"), "{body}");
    // Nobody waits for that one.
    let foreign = tried(flows::payments, command, &[]);
    let (class, message) = foreign.dead_letter.unwrap();
    assert_eq!((class.as_str(), foreign.sent.len()), ("no_command", 0));
    assert!(!message.contains("secret"), "{message}");
}
