//! The HTTP proxy before a stand-in, and the stand-in itself.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends at the first surprise")]

use std::io::Write;
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, Response};
use serde_json::{Value, json};
use thalweg_testbed::proxy::{HttpProxy, Rule};
use thalweg_testbed::stand_in::{Keep, StandIn, StandInOptions};

fn client() -> Client {
    Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap()
}

fn before_stand_in() -> (StandIn, HttpProxy) {
    let server = StandIn::start(&StandInOptions::default()).unwrap();
    let proxy = HttpProxy::start(&server.url()).unwrap();
    (server, proxy)
}

fn bulk_body(ids: &[&str], version: u64) -> String {
    ids.iter()
        .map(|id| {
            let action =
                json!({"index": {"_index": "i", "_id": id, "version": version, "version_type": "external"}});
            format!("{action}\n{{\"of\":\"{id}\"}}\n")
        })
        .collect()
}

fn post(url: &str, path: &str, body: impl Into<reqwest::blocking::Body>) -> reqwest::Result<Response> {
    client().post(format!("{url}{path}")).header("content-type", "application/x-ndjson").body(body).send()
}

fn statuses(answer: &Value) -> Vec<(String, u64)> {
    let items = answer["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| {
            (item["index"]["_id"].as_str().unwrap().to_owned(), item["index"]["status"].as_u64().unwrap())
        })
        .collect()
}

fn owned(all: &[(&str, u64)]) -> Vec<(String, u64)> {
    all.iter().map(|(id, status)| ((*id).to_owned(), *status)).collect()
}

#[test]
fn requests_pass_and_are_remembered() {
    let (server, proxy) = before_stand_in();
    let body = bulk_body(&["a", "b"], 1);
    let answer = post(&proxy.url(), "/_bulk?refresh=false", body.clone()).unwrap();
    assert_eq!(answer.headers()["x-elastic-product"], "Elasticsearch");
    let answer: Value = answer.json().unwrap();
    assert_eq!(answer["errors"], false);
    assert_eq!(statuses(&answer), owned(&[("a", 201), ("b", 201)]));
    assert_eq!(server.items(), 2);
    let seen = proxy.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (seen[0].path.as_str(), seen[0].bytes, seen[0].documents, seen[0].status),
        ("/_bulk", body.len(), 2, Some(200))
    );
    assert_eq!(client().head(format!("{}/i", proxy.url())).send().unwrap().status(), 200);
    assert_eq!(client().head(format!("{}/none", proxy.url())).send().unwrap().status(), 404);
}

#[test]
fn whole_requests_are_refused_as_often_as_told() {
    let (server, proxy) = before_stand_in();
    for status in [400, 401, 403, 413, 429, 500, 502, 503] {
        let rule = proxy.add(Rule::answer(status).times(2));
        for _ in 0..2 {
            assert_eq!(post(&proxy.url(), "/_bulk", bulk_body(&["a"], 1)).unwrap().status(), status);
        }
        assert_eq!(rule.hits(), 2);
        assert_eq!(post(&proxy.url(), "/_bulk", bulk_body(&["a"], 1)).unwrap().status(), 200);
        proxy.heal();
    }
    assert_eq!(server.items(), 8);
    let rule = proxy.add(Rule::answer(503).on("_mget"));
    assert_eq!(post(&proxy.url(), "/i/_mget", r#"{"ids":["a"]}"#).unwrap().status(), 503);
    assert_eq!(post(&proxy.url(), "/_bulk", bulk_body(&["b"], 1)).unwrap().status(), 200);
    rule.off();
    assert_eq!(post(&proxy.url(), "/i/_mget", r#"{"ids":["a"]}"#).unwrap().status(), 200);
}

#[test]
fn chosen_documents_are_refused_and_the_others_arrive() {
    let (server, proxy) = before_stand_in();
    let rule = proxy.add(Rule::items(429, |id| id == "b" || id == "d"));
    let answer: Value =
        post(&proxy.url(), "/_bulk", bulk_body(&["a", "b", "c", "d", "e"], 1)).unwrap().json().unwrap();
    assert_eq!(statuses(&answer), owned(&[("a", 201), ("b", 429), ("c", 201), ("d", 429), ("e", 201)]));
    assert_eq!(answer["errors"], true);
    assert_eq!(answer["items"][1]["index"]["error"]["type"], "es_rejected_execution_exception");
    assert_eq!((server.items(), rule.hits()), (3, 2));

    let answer: Value = post(&proxy.url(), "/_bulk", bulk_body(&["d"], 1)).unwrap().json().unwrap();
    assert_eq!(statuses(&answer), owned(&[("d", 429)]));
    assert_eq!(server.items(), 3, "a request of refused items only reached the server");
    rule.off();

    proxy.add(Rule::items(503, |_| true).times(1));
    let packed = {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(bulk_body(&["b", "d"], 1).as_bytes()).unwrap();
        packer.finish().unwrap()
    };
    let url = format!("{}/_bulk?filter_path=errors,items.*._id,items.*.status", proxy.url());
    let answer = client().post(url).header("content-encoding", "gzip").body(packed).send().unwrap();
    assert_eq!(statuses(&answer.json().unwrap()), owned(&[("b", 503), ("d", 201)]));
}

#[test]
fn requests_with_a_chosen_document_are_refused_as_a_whole() {
    let (server, proxy) = before_stand_in();
    let rule = proxy.add(Rule::answer_to(413, |id| id == "b"));
    let status = |ids: &[&str]| post(&proxy.url(), "/_bulk", bulk_body(ids, 1)).unwrap().status();
    assert_eq!(
        [status(&["a", "b"]), status(&["a", "c"]), status(&["b"])].map(|status| status.as_u16()),
        [413, 200, 413]
    );
    assert_eq!((server.items(), rule.hits()), (2, 2));
}

#[test]
fn an_answer_lost_after_the_request_was_done() {
    let (server, proxy) = before_stand_in();
    proxy.add(Rule::drop_answer().times(1));
    assert!(post(&proxy.url(), "/_bulk", bulk_body(&["a"], 7)).is_err());
    assert_eq!(server.items(), 1, "the server never saw it");
    let again: Value = post(&proxy.url(), "/_bulk", bulk_body(&["a"], 7)).unwrap().json().unwrap();
    assert_eq!(statuses(&again), owned(&[("a", 409)]));
    proxy.add(Rule::drop_request().times(1));
    assert!(post(&proxy.url(), "/_bulk", bulk_body(&["b"], 7)).is_err());
    assert_eq!(server.items(), 2);
    let hung_up: Vec<bool> = proxy.seen().iter().map(|exchange| exchange.status.is_none()).collect();
    assert_eq!(hung_up, [true, false, true]);
}

#[test]
fn refused_connections_delays_and_a_server_that_is_gone() {
    let (server, proxy) = before_stand_in();
    proxy.refuse();
    assert!(post(&proxy.url(), "/_bulk", bulk_body(&["a"], 1)).unwrap_err().is_connect());
    proxy.heal();
    proxy.add(Rule::delay(150).on(""));
    let begin = Instant::now();
    assert_eq!(client().get(format!("{}/_cluster/health", proxy.url())).send().unwrap().status(), 200);
    assert!(begin.elapsed() >= Duration::from_millis(150));
    drop(server);
    assert!(post(&proxy.url(), "/_bulk", bulk_body(&["a"], 1)).is_err());
}

#[test]
fn the_stand_in_answers_as_elasticsearch_and_records_every_item() {
    let folder = std::env::temp_dir().join(format!("thalweg-stand-in-{}", std::process::id()));
    let options =
        StandInOptions { record: Some(folder.clone()), record_bodies: true, ..StandInOptions::default() };
    let server = StandIn::start(&options).unwrap();
    let url = server.url();
    let made = client()
        .put(format!("{url}/v1"))
        .json(&json!({"mappings": {"_meta": {"generation": 1}}, "aliases": {"messages": {}}}));
    assert_eq!(made.send().unwrap().status(), 200);
    assert_eq!(client().put(format!("{url}/v1")).send().unwrap().status(), 400);
    let described: Value = client().get(format!("{url}/messages/_mapping")).send().unwrap().json().unwrap();
    assert_eq!(described["v1"]["mappings"]["_meta"]["generation"], 1);

    let lines = "{\"index\":{\"_id\":\"x\",\"version\":5,\"version_type\":\"external\"}}\n{\"n\":1}\n\
        {\"delete\":{\"_id\":\"y\",\"version\":3,\"version_type\":\"external\"}}\n\
        {\"index\":{\"_id\":\"x\",\"version\":4,\"version_type\":\"external\"}}\n{\"n\":2}\n";
    let answer: Value = post(&url, "/messages/_bulk", lines).unwrap().json().unwrap();
    let items = answer["items"].as_array().unwrap();
    assert_eq!((&items[0]["index"]["status"], &items[0]["index"]["_version"]), (&json!(201), &json!(5)));
    assert_eq!(
        (&items[1]["delete"]["status"], &items[1]["delete"]["result"]),
        (&json!(404), &json!("not_found"))
    );
    assert_eq!(items[2]["index"]["error"]["type"], "version_conflict_engine_exception");
    assert_eq!(answer["errors"], true);

    let got: Value =
        post(&url, "/_mget", r#"{"docs":[{"_index":"v1","_id":"x"},{"_index":"v1","_id":"y"}]}"#)
            .unwrap()
            .json()
            .unwrap();
    assert_eq!((&got["docs"][0]["_source"], &got["docs"][0]["_version"]), (&json!({"n": 1}), &json!(5)));
    assert_eq!(got["docs"][1]["found"], false);
    let count: Value = client().get(format!("{url}/messages/_count")).send().unwrap().json().unwrap();
    assert_eq!(count["count"], 1);

    server.flush().unwrap();
    let record = std::fs::read_to_string(&folder).unwrap();
    std::fs::remove_file(&folder).unwrap();
    let record: Vec<Value> = record.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let shown: Vec<_> =
        record.iter().map(|line| (line["id"].as_str().unwrap(), line["status"].as_u64().unwrap())).collect();
    assert_eq!(shown, [("x", 201), ("y", 404), ("x", 409)]);
    assert_eq!((&record[2]["source"], &record[0]["index"]), (&json!({"n": 2}), &json!("v1")));
}

#[test]
fn a_stand_in_that_keeps_nothing_takes_everything() {
    let server =
        StandIn::start(&StandInOptions { keep: Keep::Nothing, ..StandInOptions::default() }).unwrap();
    for _ in 0..2 {
        let answer: Value = post(&server.url(), "/_bulk", bulk_body(&["a"], 1)).unwrap().json().unwrap();
        assert_eq!(statuses(&answer), owned(&[("a", 201)]));
    }
    assert_eq!(post(&server.url(), "/_bulk", "nonsense\n").unwrap().status(), 400);
}
