//! Expiration over time: once, at the deadline, and not when the order has gone on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use thalweg::kafka::Produce;
use thalweg::trial::{Lasting, TrialRecord, Tried};
use ticketing::flows;
use ticketing::settings::Settings;

const BEGIN_MS: i64 = 1_000_000;
const DEADLINE_MS: i64 = BEGIN_MS + 5_000;

fn order(kind: &str, number: u64, version: u64) -> String {
    json!({
        "type": kind, "id": format!("t1.o{number}"), "userId": "u1", "ticketId": "t1", "version": version,
        "number": number, "price": 10, "expiresAt": DEADLINE_MS,
    })
    .to_string()
}

fn expired(tried: &Tried) -> Vec<Value> {
    let value = |body: &[u8]| {
        let record = Produce::decode(&mut &*body).unwrap();
        assert_eq!((record.topic, record.key), ("expiration", Some(b"t1".as_slice())));
        serde_json::from_slice(record.value.unwrap()).unwrap()
    };
    tried.sent.iter().map(|(_, request)| value(&request.body)).collect()
}

/// Plays events, as `created 1` or `wait` to the deadline or `restart`; answers which orders expired, one after the other.
fn play(steps: &[&str]) -> Vec<String> {
    let mut flow = Lasting::begin(&flows::expiration(&Settings::default()), BEGIN_MS).unwrap();
    let mut found = Vec::new();
    for step in steps {
        let (name, number) = step.split_once(' ').unwrap_or((step, "0"));
        let version = match name {
            "created" => 1,
            "failed" => 3,
            _ => 2,
        };
        let tried = match name {
            "early" => flow.wait_until(DEADLINE_MS - 1),
            "wait" => flow.wait_until(DEADLINE_MS),
            "restart" => flow.restart(),
            kind => {
                let value = order(&format!("order.{kind}"), number.parse().unwrap(), version);
                let (key, value) = (Some(b"t1".as_slice()), Some(value.as_bytes()));
                flow.record(&TrialRecord { key, value, ..TrialRecord::default() })
            }
        };
        assert_eq!((&tried.dead_letter, &tried.failed), (&None, &None), "{steps:?}");
        found.extend(expired(&tried).iter().map(|event| event["id"].as_str().unwrap().replace("t1.o", "")));
    }
    found
}

#[test]
fn an_order_expires_once_at_its_deadline_unless_it_has_gone_on() {
    let cases: [(&[&str], &[&str]); 14] = [
        (&["created 1", "early"], &[]),
        (&["created 1", "wait", "wait"], &["1"]),
        (&["created 1", "early", "restart", "wait", "restart", "wait"], &["1"]),
        (&["created 1", "pending 1", "wait"], &[]),
        (&["created 1", "cancelled 1", "wait"], &[]),
        (&["created 1", "pending 1", "failed 1", "wait"], &[]),
        // Twice.
        (&["created 1", "created 1", "wait"], &["1"]),
        (&["created 1", "wait", "created 1", "wait"], &["1"]),
        (&["created 1", "wait", "restart", "created 1", "wait"], &["1"]),
        (&["created 1", "cancelled 1", "created 1", "wait"], &[]),
        // The end before the beginning.
        (&["pending 1", "created 1", "wait"], &[]),
        // The ticket's next order before the end of the one before.
        (&["created 1", "created 2", "cancelled 1", "wait"], &["2"]),
        (&["created 2", "created 1", "wait"], &["2"]),
        (&["created 1", "wait", "cancelled 1", "created 2", "wait"], &["1", "2"]),
    ];
    for (steps, orders) in cases {
        assert_eq!(play(steps), orders, "{steps:?}");
    }
}

#[test]
fn what_is_published_says_whose_order_it_was_and_when() {
    let mut flow = Lasting::begin(&flows::expiration(&Settings::default()), BEGIN_MS).unwrap();
    let (key, value) = (Some(b"t1".as_slice()), order("order.created", 1, 1));
    flow.record(&TrialRecord { key, value: Some(value.as_bytes()), ..TrialRecord::default() });
    let expected = json!({
        "type": "expiration.expired", "id": "t1.o1", "userId": "u1", "ticketId": "t1", "orderId": "t1.o1",
        "version": 1, "expiresAt": DEADLINE_MS,
    });
    assert_eq!(expired(&flow.wait_until(DEADLINE_MS + 7)), [expected]);
}
