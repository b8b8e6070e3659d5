//! The contract: one list of exchanges, run against real Elasticsearch and against its twin. Where they differ, the twin
//! (and with it what the simulator proves) is wrong.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on must fail")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thalweg_connectors::elasticsearch::purge;
use thalweg_connectors::elasticsearch::settings::ElasticsearchSettings;
use thalweg_connectors::elasticsearch::setup::{IndexPlan, Log};
use thalweg_connectors::elasticsearch::{ElasticsearchClient, Operation};
use thalweg_core::sink::Reply;
use thalweg_sim::twins::elasticsearch::{ElasticsearchTwin, NoFaults};

const PROPERTIES: &str = r#"{"id":{"type":"keyword"},"content":{"type":"text"},"date":{"type":"date"},
    "metadata":{"type":"flattened"}}"#;

/// The real server and its twin, each with a fresh index of the same name.
struct Pair {
    runtime: tokio::runtime::Runtime,
    http: reqwest::blocking::Client,
    url: String,
    client: ElasticsearchClient,
    twin: ElasticsearchTwin,
    plan: IndexPlan,
}

impl Pair {
    fn new(name: &str) -> Self {
        let url = thalweg_testbed::servers::elasticsearch();
        let alias = format!("contract-{name}-{}", std::process::id());
        let settings =
            ElasticsearchSettings { nodes: vec![url.clone()], alias, ..ElasticsearchSettings::default() };
        let settings = ElasticsearchSettings { replicas: 0, ..settings };
        let plan = settings.plan(PROPERTIES).unwrap();
        Self {
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            http: reqwest::blocking::Client::new(),
            url,
            client: ElasticsearchClient::new(&settings).unwrap(),
            twin: ElasticsearchTwin::new(plan.target().clone()),
            plan,
        }
    }

    /// With the index made.
    fn prepared(name: &str) -> Self {
        let mut pair = Self::new(name);
        let body = pair.plan.create_body(&log());
        pair.same(Operation::CreateIndex, &String::from_utf8(body).unwrap());
        pair
    }

    fn index(&self) -> String {
        self.plan.target().first_index()
    }

    /// Sends the request to both; what we read of the answers must be the same. Answers it.
    fn same(&mut self, operation: Operation, body: &str) -> Value {
        let request = operation.request(body.as_bytes().to_vec());
        let real = match self.runtime.block_on(self.client.send(request.clone())) {
            Reply::Answer { status, body } => (status, body),
            other => panic!("{other:?}"),
        };
        let twin = self.twin.answer(&request, &mut NoFaults);
        let (real, twin) = (read(operation, real.0, &real.1), read(operation, twin.0, &twin.1));
        assert_eq!(real, twin, "{operation:?} {}", body.chars().take(2_000).collect::<String>());
        real
    }

    fn bulk(&mut self, lines: &[Value]) -> Vec<Value> {
        let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
        self.bulk_text(&body)
    }

    fn bulk_text(&mut self, body: &str) -> Vec<Value> {
        self.same(Operation::Bulk, body)["items"].as_array().cloned().unwrap_or_default()
    }

    /// Writes one document; answers its status.
    fn write(&mut self, id: &str, version: i64, document: &Value) -> u64 {
        self.write_text(id, version, &document.to_string())
    }

    fn write_text(&mut self, id: &str, version: i64, document: &str) -> u64 {
        let items = self.bulk_text(&format!("{}\n{document}\n", action(id, version)));
        items[0]["status"].as_u64().unwrap()
    }

    /// A request that only the real server needs.
    fn arrange(&self, method: reqwest::Method, path: &str, body: &Value) {
        let request = self.http.request(method, format!("{}/{path}", self.url));
        let request = if body.is_null() { request } else { request.json(body) };
        let answer = request.send().unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.text().unwrap());
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = self.http.delete(format!("{}/{}", self.url, self.index())).send();
    }
}

fn log() -> Log {
    Log { topic: "t".into(), topic_id: "x".into(), partitions: 4 }
}

fn action(id: &str, version: i64) -> Value {
    json!({"index": {"_id": id, "version": version, "version_type": "external"}})
}

/// What the connector reads of an answer; reasons only as far as anything hangs on them.
fn read(operation: Operation, status: u16, body: &[u8]) -> Value {
    let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let error = |error: &Value| {
        let reason = error["reason"].as_str().unwrap_or_default();
        let about_alias = reason.contains("alias").then_some("about an alias");
        json!({"type": error["type"], "reason": about_alias})
    };
    if status != 200 {
        return json!({"status": status, "error": error(&body["error"])});
    }
    let items = |name: &str, item: &dyn Fn(&Value) -> Value| -> Value {
        body[name].as_array().unwrap().iter().map(item).collect()
    };
    match operation {
        Operation::Bulk => {
            let item = |item: &Value| {
                let (verb, item) = item.as_object().unwrap().iter().next().unwrap();
                let error = item.get("error").map(error);
                json!({"verb": verb, "_id": item["_id"], "status": item["status"], "error": error})
            };
            json!({"errors": body["errors"], "items": items("items", &item)})
        }
        Operation::Mget => {
            let document = |document: &Value| {
                let error = document.get("error").map(error);
                json!({"_id": document["_id"], "found": document["found"], "_version": document["_version"],
                    "_source": document["_source"], "error": error})
            };
            json!({"docs": items("docs", &document)})
        }
        Operation::ReadIndex => {
            let (index, description) = body.as_object().unwrap().iter().next().unwrap();
            json!({index: {"mappings": description["mappings"], "aliases": description["aliases"]}})
        }
        Operation::SearchTombstones | Operation::Health => panic!("compared elsewhere"),
        Operation::CreateIndex | Operation::PutMapping => body,
    }
}

fn ids(ids: &[&str]) -> String {
    json!({"ids": ids}).to_string()
}

#[test]
fn setup_and_a_missing_index() {
    let mut pair = Pair::new("setup");
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

#[test]
fn external_versions() {
    let mut pair = Pair::prepared("versions");
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

#[test]
fn documents_as_gets_see_them() {
    let mut pair = Pair::prepared("gets");
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

#[test]
fn deletes_and_what_is_left_of_them() {
    let mut pair = Pair::prepared("deletes");
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

#[test]
fn what_the_mapping_takes() {
    let mut pair = Pair::prepared("mapping");
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

#[test]
fn dates() {
    let mut pair = Pair::prepared("dates");
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

#[test]
fn requests_refused_as_a_whole() {
    let mut pair = Pair::prepared("whole");
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

#[test]
fn a_write_block_refuses_items() {
    let mut pair = Pair::prepared("block");
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

#[test]
fn tombstones_are_found_and_removed_unless_they_changed() {
    let mut pair = Pair::prepared("purge");
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
