//! Records that can't be processed, among records that can, on the real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

mod indexer;

use indexer::Scene;
use indexer::records::{Written, created, creation, deleted, keyed, updated};
use serde_json::{Value, json};

/// As deep as it takes to end a parser that uses the stack.
const DEEP_LEVELS: usize = 100_000;

/// What is wrong, the record, and what becomes of it; `None`: it is in order after all.
type Bad = (&'static str, Written, Option<&'static str>);

/// A creation of its own, spoiled.
fn spoiled(name: &str, spoil: impl FnOnce(&mut Value)) -> Written {
    let mut event = creation(&format!("{name}-bad"), &conversation(name), "bad");
    spoil(&mut event);
    keyed(&conversation(name), event.to_string())
}

fn spoiled_text(name: &str, from: &str, to: &str) -> Written {
    let text = creation(&format!("{name}-bad"), &conversation(name), "bad").to_string();
    assert!(text.contains(from), "{text}");
    keyed(&conversation(name), text.replacen(from, to, 1))
}

fn conversation(name: &str) -> String {
    format!("c-{name}")
}

fn not_events() -> Vec<Bad> {
    let key = |name| conversation(name);
    let whole = creation("truncated-bad", &key("truncated"), "bad").to_string();
    let truncated = keyed(&key("truncated"), &whole.as_bytes()[..whole.len() - 7]);
    let mut no_utf8 = creation("not-utf8-bad", &key("not-utf8"), "caf#").to_string().into_bytes();
    *no_utf8.iter_mut().find(|byte| **byte == b'#').unwrap() = 0xE9;
    let deep = ["{\"a\":".repeat(DEEP_LEVELS), "}".repeat(DEEP_LEVELS)].join("1");
    let null_key = created("null-key-bad", &key("null-key"), "bad");
    let other_key = created("other-key-bad", "another conversation", "bad");
    let wrong = |name: &'static str, field: &'static str, value: Value| {
        (name, spoiled(name, |event| event["payload"][field] = value), Some("undecodable"))
    };
    let without = |name: &'static str, field: &'static str| {
        let spoil = |event: &mut Value| drop(event["payload"].as_object_mut().unwrap().remove(field));
        (name, spoiled(name, spoil), Some("undecodable"))
    };
    vec![
        ("truncated", truncated, Some("undecodable")),
        ("empty", keyed(&key("empty"), ""), Some("undecodable")),
        ("tombstone", Written { value: None, ..keyed(&key("tombstone"), "") }, Some("tombstone")),
        ("null-key", Written { key: None, partition: Some(0), ..null_key }, Some("missing_key")),
        ("other-key", Written { key: Some(key("other-key").into()), ..other_key }, Some("key_mismatch")),
        ("binary-key", Written { key: Some(vec![0xFF, 0xFE]), ..created("k", "k", "bad") }, Some("bad_key")),
        ("not-utf8", keyed(&key("not-utf8"), no_utf8), Some("undecodable")),
        ("too-deep", keyed(&key("too-deep"), deep.as_bytes()), Some("too_deep")),
        (
            "too-deep-inside",
            spoiled_text("too-deep-inside", "\"metadata\":{", &format!("\"metadata\":{{\"m\":{deep},")),
            Some("too_deep"),
        ),
        (
            "unknown-type",
            spoiled("unknown-type", |event| event["type"] = json!("message.read")),
            Some("unknown_type"),
        ),
        ("type-number", spoiled("type-number", |event| event["type"] = json!(1)), Some("undecodable")),
        wrong("id-number", "id", json!(7)),
        wrong("content-list", "content", json!(["a"])),
        wrong("content-null", "content", json!(null)),
        wrong("metadata-text", "metadata", json!("m")),
        wrong("timestamp-number", "timestamp", json!(1_692_095_400)),
        without("missing-id", "id"),
        without("missing-tenant", "tenantId"),
        ("twice-id", spoiled_text("twice-id", "\"id\":", "\"id\":\"other\",\"id\":"), Some("undecodable")),
        (
            "twice-type",
            spoiled_text("twice-type", "\"type\":", "\"type\":\"x\",\"type\":"),
            Some("undecodable"),
        ),
        ("a-list", keyed(&key("a-list"), "[1,2]"), Some("undecodable")),
        ("more-behind", spoiled_text("more-behind", "{", "{}{"), Some("undecodable")),
    ]
}

fn not_documents() -> Vec<Bad> {
    let large = |name: &str, bytes| {
        let around = creation(&format!("{name}-bad"), &conversation(name), "").to_string().len();
        let content = "x".repeat(bytes - around);
        created(&format!("{name}-bad"), &conversation(name), &content)
    };
    let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!({ "a": inner }));
    let payload = |name: &'static str, field: &'static str, value: Value, reason| {
        (name, spoiled(name, |event| event["payload"][field] = value), reason)
    };
    let unknown = |name: &str| format!("{name}-never-created");
    let key = |name| conversation(name);
    vec![
        ("megabyte", large("megabyte", 1_000_000), None),
        ("too-large", large("too-large", (1 << 20) + 1), Some("too_large")),
        payload("long-id", "id", json!("i".repeat(600)), Some("id_too_long")),
        payload("empty-id", "id", json!(""), Some("bad_id")),
        payload("no-date", "timestamp", json!("yesterday"), Some("document_refused")),
        payload("deep-metadata", "metadata", nested(21), Some("document_refused")),
        payload("long-metadata", "metadata", json!({"m": "x".repeat(40_000)}), Some("document_refused")),
        payload("unknown-field", "mood", json!("fine"), None),
        (
            "early-update",
            updated(&unknown("early-update"), &key("early-update"), "x"),
            Some("document_missing"),
        ),
        ("early-delete", deleted(&unknown("early-delete"), &key("early-delete")), None),
        ("null-content", keyed(&key("null-content"), NULL_CONTENT), Some("undecodable")),
        (
            "other-tenant",
            keyed(&key("other-tenant"), updated("other-tenant-0", "", "stolen").value.unwrap().as_slice())
                .of_tenant("intruder"),
            Some("document_missing"),
        ),
        (
            "other-tenants-delete",
            deleted("other-tenants-delete-0", &key("other-tenants-delete")).of_tenant("intruder"),
            None,
        ),
    ]
}

/// An update that takes the text away: there is no such thing.
const NULL_CONTENT: &str =
    r#"{"type":"message.updated","payload":{"id":"null-content-0","content":null,"tenantId":"t"}}"#;

trait OfTenant {
    fn of_tenant(self, tenant: &str) -> Self;
}

impl OfTenant for Written {
    fn of_tenant(self, tenant: &str) -> Self {
        let mut event: Value = serde_json::from_slice(&self.value.unwrap()).unwrap();
        event["payload"]["tenantId"] = json!(tenant);
        Self { value: Some(event.to_string().into_bytes()), ..self }
    }
}

#[test]
fn every_kind_of_bad_record_ends_with_its_reason_and_disturbs_nothing() {
    let scene = Scene::new("bad-records", 2);
    let mut records = Vec::new();
    let mut expected = Vec::new();
    for (name, bad, reason) in not_events().into_iter().chain(not_documents()) {
        let (key, id) = (conversation(name), |number| format!("{name}-{number}"));
        let good = |number| created(&id(number), &key, "good");
        records.extend([good(0), good(1), updated(&id(1), &key, "better"), good(2)]);
        expected.push((name, records.len(), reason));
        records.push(bad);
        // What comes behind it: of the same key, and of another.
        records.extend([updated(&id(1), &key, "best"), deleted(&id(2), &key), good(3)]);
        records.push(created(&format!("{name}-other"), &format!("other-{name}"), "other"));
    }
    let at = scene.write(&records);
    let mut indexer = scene.start(&[]);
    scene.wait_finished(&mut indexer);

    let found = scene.assert_correct();
    let bad: Vec<_> = expected.iter().filter(|(_, _, reason)| reason.is_some()).collect();
    for (name, index, reason) in &expected {
        assert_eq!(found.reasons.get(&at[*index]).map(String::as_str), *reason, "{name}");
    }
    assert_eq!((found.reasons.len(), found.letters_twice), (bad.len(), 0));
    let good = expected.len() - bad.len();
    // Of each kind four stay; of those in order after all, the two deletes make nothing visible.
    assert_eq!(found.visible as usize, expected.len() * 4 + good - 2);
    indexer.wait_metric("thalweg_records_total", "dead_lettered", bad.len() as f64);
    indexer.wait_metric("thalweg_dead_letters_total", "reason=", bad.len() as f64);
    indexer.wait_metric("thalweg_records_total", "delivered", (records.len() - bad.len()) as f64);
    assert_eq!(indexer.stop().code, 0);
}
