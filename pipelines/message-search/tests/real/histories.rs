//! Histories of messages, and what must have come of them.

use serde_json::{Value, json};
use thalweg_testbed::instance::until;

use crate::scene::Scene;
use crate::topic::{self, Event};
use crate::{index, indexer};

pub(crate) fn created(id: &str, content: &str) -> String {
    let payload = json!({
        "id": id, "conversationId": "c-1", "senderId": "s-1", "content": content, "tenantId": "t-1",
        "timestamp": "2023-08-15T10:30:00Z", "metadata": {"a": 1, "b": {"x": 1}},
    });
    json!({"type": "message.created", "payload": payload}).to_string()
}

pub(crate) fn updated(id: &str, content: &str, metadata: &Value) -> String {
    let payload = json!({"id": id, "content": content, "tenantId": "t-1", "metadata": metadata});
    json!({"type": "message.updated", "payload": payload}).to_string()
}

pub(crate) fn deleted(id: &str) -> String {
    json!({"type": "message.deleted", "payload": {"id": id, "tenantId": "t-1"}}).to_string()
}

/// Writes the values as events of one conversation, with event ids from `first` on.
pub(crate) fn write(scene: &Scene, first: usize, values: &[String]) {
    let ids: Vec<_> = (first..).take(values.len()).map(|number| format!("e-{number}")).collect();
    let events: Vec<_> = values
        .iter()
        .zip(&ids)
        .map(|(value, id)| Event { partition: 0, key: Some("c-1"), value: Some(value), event_id: id })
        .collect();
    topic::write(&scene.name, &events);
}

pub(crate) fn until_drained(scene: &Scene, partitions: i32) {
    until("lag 0", || topic::is_drained(&scene.name, partitions));
}

#[test]
fn creates_updates_and_deletes_end_as_a_sequential_reader_leaves_them() {
    let scene = Scene::new("history", 2);
    let values = [
        created("m-1", "first"),
        created("m-2", "second"),
        updated("m-1", "changed", &json!({"b": null, "edited": true})),
        deleted("m-2"),
        created("m-3", "third"),
        created("m-3", "third again"),
        updated("m-2", "too late", &json!({})),
        deleted("m-4"),
    ];
    write(&scene, 0, &values);
    // An event that is told twice counts once.
    let again = updated("m-1", "told twice", &json!({}));
    topic::write(
        &scene.name,
        &[Event { partition: 0, key: Some("c-1"), value: Some(&again), event_id: "e-2" }],
    );
    let indexer = indexer::start(&scene, &[]);
    until_drained(&scene, 2);
    let document = |id: &str, content: &str, metadata: Value| {
        let fields = json!({
            "id": id, "conversationId": "c-1", "senderId": "s-1", "content": content, "tenantId": "t-1",
            "timestamp": "2023-08-15T10:30:00Z", "metadata": metadata,
        });
        (format!("t-1/c-1/{id}"), fields)
    };
    let expected = [
        document("m-1", "changed", json!({"a": 1, "b": null, "edited": true})),
        document("m-3", "third again", json!({"a": 1, "b": {"x": 1}})),
    ];
    assert_eq!(index::documents(&scene.name), expected);
    let ended = indexer.stop();
    assert_eq!(ended.code, 0, "{}", ended.log);
    for line in
        ["9 records read", "7 delivered", "1 superseded", "1 duplicate", "0 dead_lettered", "0 unfinished"]
    {
        assert!(ended.output.contains(line), "{line}: {}", ended.output);
    }
}

#[test]
fn what_can_not_be_processed_is_a_dead_letter_and_its_key_goes_on() {
    let scene = Scene::new("poison", 3);
    let bad_date = created("m-9", "x").replace("2023-08-15T10:30:00Z", "not-a-date");
    let event = |key, value, event_id| Event { partition: 2, key, value, event_id };
    let good = created("m-1", "good");
    let missing = updated("m-8", "of nothing", &json!({}));
    topic::write(
        &scene.name,
        &[
            event(Some("c-1"), Some("{\"type\":\"message.crea"), "e-0"),
            event(None, Some(good.as_str()), "e-1"),
            event(Some("c-1"), None, "e-2"),
            event(Some("c-1"), Some(bad_date.as_str()), "e-3"),
            event(Some("c-2"), Some(good.as_str()), "e-4"),
            event(Some("c-1"), Some(missing.as_str()), "e-5"),
            event(Some("c-1"), Some(good.as_str()), "e-6"),
        ],
    );
    let indexer = indexer::start(&scene, &[]);
    until_drained(&scene, 3);
    let mut letters = topic::read_all(&scene.dead_letter_topic(), 3);
    letters.sort_by_key(|letter| topic::header(letter, "dlq.original.offset"));
    let says = |name| letters.iter().map(|letter| topic::header(letter, name).unwrap()).collect::<Vec<_>>();
    let reasons =
        ["undecodable", "missing_key", "tombstone", "document_refused", "key_mismatch", "document_missing"];
    assert_eq!(says("dlq.reason"), reasons);
    assert_eq!(says("dlq.original.offset"), ["0", "1", "2", "3", "4", "5"]);
    assert_eq!(says("message-id"), ["e-0", "e-1", "e-2", "e-3", "e-4", "e-5"]);
    assert!(says("dlq.original.topic").iter().all(|topic| *topic == scene.name));
    assert!(says("dlq.original.partition").iter().all(|number| number == "2"));
    assert!(says("dlq.flow").iter().all(|flow| flow == "message-search"));
    assert_eq!(says("dlq.stage")[0], "index_messages");
    assert_eq!(says("dlq.stage")[3], "documents");
    use rdkafka::Message;
    assert_eq!(letters[0].payload(), Some(b"{\"type\":\"message.crea".as_slice()));
    assert_eq!((letters[1].key(), letters[2].payload()), (None, None));
    let found = index::documents(&scene.name);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1["content"], "good");
    assert_eq!(indexer.metric("thalweg_dead_letters_total", "reason=\"tombstone\""), 1.0);
    let ended = indexer.stop();
    assert!(ended.output.contains("6 dead_lettered"), "{}", ended.output);
}

#[test]
fn a_restart_goes_on_from_the_commit_and_knows_what_it_saw() {
    let scene = Scene::new("restart", 1);
    write(&scene, 0, &[created("m-1", "first"), created("m-2", "second")]);
    let first = indexer::start(&scene, &[]);
    until_drained(&scene, 1);
    assert_eq!(first.stop().code, 0);
    // The second of these was seen before the restart.
    write(&scene, 2, &[updated("m-1", "changed", &json!({}))]);
    write(&scene, 1, &[created("m-2", "told twice")]);
    let second = indexer::start(&scene, &[]);
    until_drained(&scene, 1);
    let ended = second.stop();
    for line in ["2 records read", "1 delivered", "1 duplicate", "2 read again for dedupe"] {
        assert!(ended.output.contains(line), "{line}: {}", ended.output);
    }
    let contents: Vec<_> =
        index::documents(&scene.name).into_iter().map(|(_, fields)| fields["content"].clone()).collect();
    assert_eq!(contents, ["changed", "second"]);
}

#[test]
fn it_says_when_it_is_ready_and_what_it_does() {
    let scene = Scene::new("admin", 2);
    write(&scene, 0, &[created("m-1", "x")]);
    let mut indexer = indexer::start(&scene, &[]);
    indexer.wait_ready();
    assert!(matches!(indexer.get("/healthz"), Some((true, _))));
    until_drained(&scene, 2);
    until("metrics that show the commit", || {
        let (_, metrics) = indexer.get("/metrics").unwrap_or_default();
        metrics
            .contains("thalweg_records_total{flow=\"message-search\",worker=\"0\",outcome=\"delivered\"} 1")
            && metrics.contains(&format!("topic=\"{}\",partition=\"0\"}} 1", scene.name))
            && metrics
                .contains("thalweg_breaker_open{flow=\"message-search\",worker=\"0\",sink=\"documents\"} 0")
    });
    let page = indexer.page();
    let post = reqwest::blocking::Client::new().post(format!("{page}metrics")).send().unwrap();
    assert_eq!(post.status(), 405, "GET only");
    assert_eq!(indexer.stop().code, 0);
}
