//! The contract: one list of exchanges, run against real Elasticsearch and against its twins: the simulator's and the
//! embedded one. Where they differ, a twin (and with it what it proves or shows) is wrong.
//!
//! The simulator's twin is held against the real server, and the embedded one against the simulator's, so that no test
//! of the embedded one needs the real server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on must fail")]

mod pair;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thalweg_connectors::elasticsearch::setup::Log;
use thalweg_connectors::elasticsearch::{Operation, purge};
use thalweg_core::sink::Reply;
use thalweg_sim::twins::elasticsearch::NoFaults;

use pair::{Pair, Server, action, log};

/// Every clause of the contract, for every server.
macro_rules! contract {
    ($($clause:ident),* $(,)?) => {
        mod real {
            $(#[test]
            fn $clause() {
                super::$clause(crate::pair::Server::Real);
            })*
        }
        mod embedded {
            $(#[test]
            fn $clause() {
                super::$clause(crate::pair::Server::Embedded);
            })*
        }
    };
}

contract!(
    setup_and_a_missing_index,
    external_versions,
    documents_as_gets_see_them,
    deletes_and_what_is_left_of_them,
    what_the_mapping_takes,
    dates,
    requests_refused_as_a_whole,
    a_write_block_refuses_items,
    tombstones_are_found_and_removed_unless_they_changed,
    the_alias_hides_tombstones_from_searches,
);

fn ids(ids: &[&str]) -> String {
    json!({"ids": ids}).to_string()
}

fn setup_and_a_missing_index(server: Server) {
    let mut pair = Pair::new(server, "setup");
    pair.same(Operation::ReadIndex, "");
    assert_eq!(pair.write("a", 1, &json!({"id": "1"})), 404);
    pair.same(Operation::Mget, &ids(&["a", "b"]));
    pair.same(Operation::PutMapping, r#"{"_meta":{}}"#);
    let create = String::from_utf8(pair.plan.create_body(&log())).unwrap();
    pair.same(Operation::CreateIndex, &create);
    pair.same(Operation::CreateIndex, &create);
    let (_, answer) = pair.twin.answer(&Operation::ReadIndex.request(Vec::new()), &mut NoFaults);
    let found = pair.plan.check(&answer).unwrap();
    pair.same(Operation::ReadIndex, "");
    let (_, raised) = found.raise_generation(&Log { partitions: 8, ..log() }).unwrap();
    pair.same(Operation::PutMapping, &String::from_utf8(raised).unwrap());
    pair.same(Operation::ReadIndex, "");
}

fn external_versions(server: Server) {
    let mut pair = Pair::prepared(server, "versions");
    let document = json!({"id": "1"});
    let statuses: Vec<_> =
        [5, 5, 4, 6, i64::MAX, 7].map(|version| pair.write("a", version, &document)).into();
    assert_eq!(statuses, [201, 409, 409, 200, 200, 409]);
    assert_eq!(pair.write("zero", 0, &document), 201);
    assert_eq!(pair.write("zero", 0, &document), 409);
    // What can't be stored is refused as such, even if it comes too late as well.
    assert_eq!(pair.write("a", 1, &json!({"date": "yesterday"})), 400);
    // Twice in one request: applied in order.
    let lines =
        [action("b", 1), document.clone(), action("b", 2), document.clone(), action("b", 1), document];
    let statuses: Vec<_> = pair.bulk(&lines).iter().map(|item| item["status"].clone()).collect();
    assert_eq!(statuses, [201, 200, 409]);
}

fn documents_as_gets_see_them(server: Server) {
    let mut pair = Pair::prepared(server, "gets");
    let exact = r#"{"id":"1","metadata":{"n":1.10,"big":12345678901234567890123,"z":null,"k.l":[1,"x"]}}"#;
    assert_eq!(pair.write_text("a", 5, exact), 201);
    // A tombstone is found, because gets ignore the alias's filter.
    assert_eq!(pair.write("b", 6, &json!({"deleted": true, "deletedAt": 1_000})), 201);
    assert_eq!(pair.write("odd \" \\ / % \u{1} \n ü", 7, &json!({})), 201);
    let documents = pair.same(Operation::Mget, &ids(&["a", "b", "c", "odd \" \\ / % \u{1} \n ü"]));
    assert_eq!(documents["docs"][1]["_source"]["deleted"], true);
    assert_eq!(documents["docs"][2]["found"], false);
    assert_eq!(documents["docs"][3]["_version"], 7);
    // Byte by byte, on both sides.
    let request = Operation::Mget.request(ids(&["a"]).into_bytes());
    let Reply::Answer { body, .. } = pair.runtime.block_on(pair.client.send(request.clone())) else {
        panic!("an answer")
    };
    for body in [body, pair.twin.answer(&request, &mut NoFaults).1] {
        assert!(String::from_utf8(body).unwrap().contains(exact));
    }
}

fn deletes_and_what_is_left_of_them(server: Server) {
    let mut pair = Pair::prepared(server, "deletes");
    let delete = |id: &str, version: i64| json!({"delete": {"_id": id, "version": version, "version_type": "external"}});
    assert_eq!(pair.write("a", 5, &json!({"id": "1"})), 201);
    let statuses: Vec<_> = pair
        .bulk(&[delete("a", 4), delete("a", 8), delete("never", 3)])
        .iter()
        .map(|item| item["status"].clone())
        .collect();
    assert_eq!(statuses, [409, 200, 404]);
    pair.same(Operation::Mget, &ids(&["a", "never"]));
    // Remembered for a while, with their versions.
    assert_eq!(pair.write("a", 7, &json!({"id": "1"})), 409);
    assert_eq!(pair.write("never", 3, &json!({"id": "1"})), 409);
    assert_eq!(pair.write("a", 9, &json!({"id": "1"})), 201);
    assert_eq!(pair.bulk(&[delete("a", 10)])[0]["status"], 200);
    // Then forgotten: the reason for tombstone documents.
    let no_wait = json!({"index.gc_deletes": "0s", "index.refresh_interval": "100ms"});
    pair.arrange(reqwest::Method::PUT, &format!("{}/_settings", pair.index()), &no_wait);
    pair.twin.forget_deletes();
    let deadline = Instant::now() + Duration::from_secs(30);
    let probe = || format!("{}\n{{}}\n", action("a", 1));
    loop {
        pair.arrange(reqwest::Method::POST, &format!("{}/_refresh", pair.index()), &Value::Null);
        let request = Operation::Bulk.request(probe().into_bytes());
        let Reply::Answer { body, .. } = pair.runtime.block_on(pair.client.send(request)) else {
            panic!("an answer")
        };
        let answer: Value = serde_json::from_slice(&body).unwrap();
        if answer["items"][0]["index"]["status"] == 201 {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "Elasticsearch remembers deletes for longer than it says: {answer}"
        );
    }
    let (status, _) = pair.twin.answer(&Operation::Bulk.request(probe().into_bytes()), &mut NoFaults);
    assert_eq!(status, 200);
    pair.same(Operation::Mget, &ids(&["a"]));
}

fn what_the_mapping_takes(server: Server) {
    let mut pair = Pair::prepared(server, "mapping");
    let nested =
        |depth: usize| format!(r#"{{"metadata":{}1{}}}"#, "{\"a\":".repeat(depth), "}".repeat(depth));
    let long = |len: usize| format!(r#""{}""#, "x".repeat(len));
    let documents: Vec<(String, u64)> = vec![
        (r#"{}"#.into(), 201),
        (r#"{"id":null,"content":null,"date":null,"metadata":null,"deleted":null}"#.into(), 201),
        (r#"{"id":5,"content":7.5,"deleted":"false"}"#.into(), 201),
        (r#"{"id":["a","b"],"content":["x"]}"#.into(), 201),
        (r#"{"id":{"a":1}}"#.into(), 400),
        (r#"{"content":{"a":1}}"#.into(), 400),
        (r#"{"unknown":1}"#.into(), 400),
        (r#"{"deleted":"yes"}"#.into(), 400),
        (r#"{"deleted":1}"#.into(), 400),
        (r#"{"metadata":5}"#.into(), 400),
        (r#"{"metadata":[1]}"#.into(), 400),
        (r#"{"metadata":{"a":1,"a":2}}"#.into(), 400),
        (r#"{"metadata":{"a":{"b":1,"b":2}}}"#.into(), 400),
        (r#"{"metadata":{"a":1,"\u0061":2}}"#.into(), 400),
        (r#"{"id":"1","id":"2"}"#.into(), 400),
        (r#"{"metadata":{"":1,"a.b":[null,{"c":true}]}}"#.into(), 201),
        (r#"{"metadata":{"a\u0000b":1}}"#.into(), 400),
        (nested(20), 201),
        (nested(21), 400),
        (nested(1_500), 400),
        (format!(r#"{{"id":{}}}"#, long(32_766)), 201),
        (format!(r#"{{"id":{}}}"#, long(32_767)), 400),
        (format!(r#"{{"metadata":{{"a":{}}}}}"#, long(32_764)), 201),
        (format!(r#"{{"metadata":{{"a":{}}}}}"#, long(32_765)), 400),
        (format!(r#"{{"content":{}}}"#, long(100_000)), 201),
        (r#"[]"#.into(), 400),
        (r#"5"#.into(), 400),
        (r#""#.into(), 400),
        (r#"{"id":"1"} x"#.into(), 400),
        (r#"{"id":"1"}}"#.into(), 400),
        (r#"{"id":"1""#.into(), 400),
        (r#"{"id":"1"#.into(), 400),
    ];
    check(&mut pair, &documents);
    // One bad document harms no other.
    let lines = [action("x", 1), json!({}), action("y", 1), json!({"unknown": 1}), action("z", 1), json!({})];
    let statuses: Vec<_> = pair.bulk(&lines).iter().map(|item| item["status"].clone()).collect();
    assert_eq!(statuses, [201, 400, 201]);
}

fn dates(server: Server) {
    let mut pair = Pair::prepared(server, "dates");
    let good = [
        "2023-08-15T10:30:00Z",
        "2023-08-15T10:30:00.123456789Z",
        "2023-08-15",
        "2023-08",
        "2023",
        "2023-08-15T10",
        "2023-08-15T10:30",
        "2023-08-15T10:30:00+02:00",
        "2023-08-15T10:30:00+0200",
        "1692095400000",
        "1.5",
        "1.",
        "-5",
        "2024-02-29",
        "2023-08-15T10:30:00",
    ];
    let bad = [
        "",
        "yesterday",
        "2023-02-29",
        "2023-13-01",
        "2023-8-15",
        "2023-08-15 10:30:00",
        "2023-08-15T25:00:00Z",
        "2023-08-15T10:60:00Z",
        "2023-08-15T10:30:00Q",
        "20230815T103000Z",
        "2023-08-15T10:30:00+",
        "x1",
    ];
    let date = |text: &&str, status| (json!({"date": text}).to_string(), status);
    let mut documents: Vec<_> = good.iter().map(|text| date(text, 201)).collect();
    documents.extend(bad.iter().map(|text| date(text, 400)));
    documents.push((r#"{"deletedAt":1000}"#.into(), 201));
    documents.push((r#"{"deletedAt":"2023-08-15"}"#.into(), 400));
    documents.push((r#"{"deletedAt":true}"#.into(), 400));
    documents.push((r#"{"date":1692095400000}"#.into(), 201));
    documents.push((r#"{"date":true}"#.into(), 400));
    check(&mut pair, &documents);
}

/// Writes each as a document of its own, and expects that status.
fn check(pair: &mut Pair, documents: &[(String, u64)]) {
    for (number, (document, status)) in documents.iter().enumerate() {
        assert_eq!(pair.write_text(&number.to_string(), 1, document), *status, "{document:.200}");
    }
}

fn requests_refused_as_a_whole(server: Server) {
    let mut pair = Pair::prepared(server, "whole");
    let long = "x".repeat(513);
    for body in [
        format!("{}\n{{}}", action("a", 1)),
        format!("{}\n{{}}\n", action(&long, 1)),
        format!("{}\n{{}}\n{}\n{{}}\n", action("a", 1), action("b", -1)),
    ] {
        let answer = pair.same(Operation::Bulk, &body);
        assert_eq!(answer["status"], 400);
    }
    assert_eq!(pair.same(Operation::Mget, r#"{"ids":[]}"#)["status"], 400);
    pair.same(Operation::Mget, &ids(&["a", "b"]));
    assert_eq!(pair.write(&"x".repeat(512), 1, &json!({})), 201);
}

fn a_write_block_refuses_items(server: Server) {
    let mut pair = Pair::prepared(server, "block");
    for blocked in [true, false] {
        let body = json!({"index.blocks.write": blocked});
        pair.arrange(reqwest::Method::PUT, &format!("{}/_settings", pair.index()), &body);
        pair.twin.block_writes(blocked);
        assert_eq!(pair.write("a", 1, &json!({})), if blocked { 403 } else { 201 });
    }
}

/// The tombstones found by both, as purge requests.
fn found(pair: &mut Pair, older_than_ms: i64) -> [Vec<purge::Tombstone>; 2] {
    let body = purge::search_body(older_than_ms);
    let (_, path) = pair.plan.target().endpoint(Operation::SearchTombstones, &pair.index());
    let request = pair.http.post(format!("{}{path}", pair.url)).header("content-type", "application/json");
    let real = request.body(body.clone()).send().unwrap();
    assert_eq!(real.status(), 200);
    let real = real.bytes().unwrap();
    let (status, twin) = pair.twin.answer(&Operation::SearchTombstones.request(body), &mut NoFaults);
    assert_eq!(status, 200);
    [purge::tombstones(&real).unwrap(), purge::tombstones(&twin).unwrap()]
}

fn tombstones_are_found_and_removed_unless_they_changed(server: Server) {
    let mut pair = Pair::prepared(server, "purge");
    for (id, deleted_at) in [("old", 1_000), ("again", 1_500), ("young", 3_000)] {
        assert_eq!(pair.write(id, 5, &json!({"deleted": true, "deletedAt": deleted_at})), 201);
    }
    assert_eq!(pair.write("timeless", 5, &json!({"deleted": true})), 201);
    assert_eq!(pair.write("alive", 5, &json!({"id": "1"})), 201);
    pair.arrange(reqwest::Method::POST, &format!("{}/_refresh", pair.index()), &Value::Null);
    let none = found(&mut pair, 1_000);
    assert!(none.iter().all(Vec::is_empty), "{none:?}");
    let both = found(&mut pair, 2_000);
    assert!(both.iter().all(|found| found.len() == 2), "{both:?}");
    // One of them is put again before the removal arrives.
    assert_eq!(pair.write("again", 6, &json!({"id": "again"})), 200);
    let request = Operation::Bulk.request(purge::removal_body(&both[0]));
    let Reply::Answer { mut body, .. } = pair.runtime.block_on(pair.client.send(request)) else {
        panic!("an answer")
    };
    let request = Operation::Bulk.request(purge::removal_body(&both[1]));
    let (_, mut twin) = pair.twin.answer(&request, &mut NoFaults);
    let purged = [purge::purged(&mut body).unwrap(), purge::purged(&mut twin).unwrap()];
    assert_eq!(purged[0], purge::Purged { removed: 1, changed: 1, failed: 0 });
    assert_eq!(purged[0], purged[1]);
    pair.same(Operation::Mget, &ids(&["old", "again", "young", "timeless", "alive"]));
    // For a minute the removal is remembered with the tombstone's version plus one.
    assert_eq!(pair.write("old", 6, &json!({})), 409);
    assert_eq!(pair.write("old", 7, &json!({})), 201);
}

/// Searches through the alias see what is no tombstone; gets, and searches of the index itself, see everything.
fn the_alias_hides_tombstones_from_searches(server: Server) {
    let mut pair = Pair::prepared(server, "alias");
    assert_eq!(pair.write("alive", 5, &json!({"content": "The quick brown Fox", "date": 2})), 201);
    assert_eq!(pair.write("dead", 6, &json!({"deleted": true, "deletedAt": 1_000})), 201);
    assert_eq!(
        pair.write("undeleted", 7, &json!({"deleted": "false", "content": "a fox, again a fox"})),
        201
    );
    pair.arrange(reqwest::Method::POST, &format!("{}/_refresh", pair.index()), &Value::Null);
    let found = |name: &str, query: Value| {
        let body = json!({"query": query, "version": true, "sort": ["_doc"], "_source": ["content"]});
        let request = pair.http.post(format!("{}/{name}/_search", pair.url)).json(&body);
        let answer: Value = request.send().unwrap().json().unwrap();
        let hits = answer["hits"]["hits"].as_array().unwrap_or_else(|| panic!("{answer}"));
        assert_eq!(answer["hits"]["total"], json!({"value": hits.len(), "relation": "eq"}), "{answer}");
        let hit = |hit: &Value| json!([hit["_id"], hit["_version"], hit["_source"]]);
        Value::Array(hits.iter().map(hit).collect())
    };
    let alias = pair.plan.target().alias();
    let alive = json!(["alive", 5, {"content": "The quick brown Fox"}]);
    let undeleted = json!(["undeleted", 7, {"content": "a fox, again a fox"}]);
    let both = json!([alive, undeleted]);
    assert_eq!(found(alias, json!({"match_all": {}})), both);
    assert_eq!(found(alias, json!({"match": {"content": "FOX wolf"}})), both);
    assert_eq!(found(alias, json!({"term": {"deleted": true}})), json!([]));
    assert_eq!(found(&pair.index(), json!({"term": {"deleted": true}})), json!([["dead", 6, {}]]));
    let both_words = json!({"match": {"content": {"query": "fox quick", "operator": "and"}}});
    assert_eq!(found(alias, both_words), json!([alive]));
    assert_eq!(
        found(alias, json!({"multi_match": {"query": "again", "fields": ["id", "content"]}})),
        json!([undeleted])
    );
    assert_eq!(found(alias, json!({"range": {"date": {"gte": 0}}})), json!([alive]));
    assert_eq!(
        found(alias, json!({"bool": {"must_not": {"match": {"content": "quick"}}}})),
        json!([undeleted])
    );
}
