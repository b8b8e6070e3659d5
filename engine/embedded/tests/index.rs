//! The real Elasticsearch connector on the embedded index, and what only the embedded one does: limits, being down.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thalweg_connectors::elasticsearch::purge::Purged;
use thalweg_connectors::elasticsearch::settings::ElasticsearchSettings;
use thalweg_connectors::elasticsearch::setup::{IndexPlan, Log};
use thalweg_connectors::elasticsearch::{ElasticsearchClient, Generation, Operation};
use thalweg_core::sink::Reply;
use thalweg_embedded::index::{EmbeddedIndex, IndexOptions};

const PROPERTIES: &str = r#"{"id":{"type":"keyword"},"content":{"type":"text"},"sentAt":{"type":"date"},
    "metadata":{"type":"flattened"}}"#;
const TIMEOUT: Duration = Duration::from_secs(20);

struct Setup {
    index: EmbeddedIndex,
    settings: ElasticsearchSettings,
    plan: IndexPlan,
    client: ElasticsearchClient,
    http: reqwest::Client,
}

impl Setup {
    fn new(options: IndexOptions) -> Self {
        let index = EmbeddedIndex::start(options).unwrap();
        let (nodes, alias) = (vec![index.url()], "messages".to_owned());
        let settings = ElasticsearchSettings { nodes, alias, ..ElasticsearchSettings::default() };
        let (plan, client) =
            (settings.plan(PROPERTIES).unwrap(), ElasticsearchClient::new(&settings).unwrap());
        Self { index, settings, plan, client, http: reqwest::Client::new() }
    }

    async fn prepared(options: IndexOptions) -> Self {
        let setup = Self::new(options);
        setup.client.prepare(&setup.plan, &log(), TIMEOUT).await.unwrap();
        setup
    }

    /// Writes these through the sink's own request; answers the statuses.
    async fn write(&self, documents: &[(&str, u64, Value)]) -> Result<Vec<u64>, (u16, String)> {
        let line = |(id, version, document): &(&str, u64, Value)| {
            let action = json!({"index": {"_id": id, "version": version, "version_type": "external"}});
            format!("{action}\n{document}\n")
        };
        let body: String = documents.iter().map(line).collect();
        match self.client.send(Operation::Bulk.request(body.into_bytes())).await {
            Reply::Answer { status: 200, body } => {
                let body: Value = serde_json::from_slice(&body).unwrap();
                let items = body["items"].as_array().unwrap();
                Ok(items.iter().map(|item| item["index"]["status"].as_u64().unwrap()).collect())
            }
            Reply::Answer { status, body } => Err((status, String::from_utf8(body).unwrap())),
            other => panic!("{other:?}"),
        }
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let answer = self.http.request(method, format!("{}{path}", self.index.url())).json(body).send().await;
        let answer = answer.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// The ids that a search through the alias finds.
    async fn found(&self, search: &Value) -> Vec<String> {
        let (status, answer) = self.ask("POST", "/messages/_search", search).await;
        assert_eq!(status, 200, "{answer}");
        let hits = answer["hits"]["hits"].as_array().unwrap();
        hits.iter().map(|hit| hit["_id"].as_str().unwrap().to_owned()).collect()
    }
}

fn log() -> Log {
    Log { topic: "t".into(), topic_id: "x".into(), partitions: 4 }
}

#[tokio::test]
async fn instances_that_start_at_once_make_one_index_and_a_generation_is_raised() {
    let setup = Setup::new(IndexOptions::default());
    let log = log();
    let prepare = || setup.client.prepare(&setup.plan, &log, TIMEOUT);
    let (one, other) = tokio::join!(prepare(), prepare());
    assert_eq!((one.unwrap().0.index, other.unwrap().1), ("messages-000001".into(), Generation::FIRST));
    let changed = Log { partitions: 8, ..log.clone() };
    let error = setup.client.prepare(&setup.plan, &changed, TIMEOUT).await.unwrap_err();
    assert!(error.to_string().contains("the number of partitions was 4 and is 8"), "{error}");
    let raised = setup.client.raise_generation(&setup.plan, &changed).await.unwrap();
    assert_eq!(setup.client.prepare(&setup.plan, &changed, TIMEOUT).await.unwrap().1, raised);
}

#[tokio::test]
async fn the_purge_takes_old_tombstones_and_compressed_bodies_arrive() {
    let mut setup = Setup::prepared(IndexOptions::default()).await;
    setup.settings.compress = true;
    setup.client = ElasticsearchClient::new(&setup.settings).unwrap();
    let tombstone = |at_ms: u64| json!({"deleted": true, "deletedAt": at_ms});
    let written = setup.write(&[("old", 1, tombstone(1_000_000)), ("young", 1, tombstone(2_000_000))]).await;
    assert_eq!(written.unwrap(), [201, 201]);
    let begun = Instant::now();
    // Nobody asks for a refresh: it comes by itself.
    while setup.client.purge("messages-000001", 1_500_000).await.unwrap()
        != (Purged { removed: 1, ..Purged::default() })
    {
        assert!(begun.elapsed() < TIMEOUT);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(setup.ask("GET", "/messages/_doc/old", &Value::Null).await.0, 404);
    assert_eq!(setup.ask("GET", "/messages/_doc/young", &Value::Null).await.0, 200);
}

#[tokio::test]
async fn what_people_type_finds_the_newest_first() {
    let setup = Setup::prepared(IndexOptions::default()).await;
    let message = |content: &str, minute: u32| json!({"content": content, "sentAt": format!("2024-01-01T10:{minute:02}:00Z")});
    let written = [
        ("coffee", 1, message("Coffee at nine, near the old harbour?", 1)),
        ("tea", 2, message("No coffee for me: tea!", 2)),
        ("late", 3, message("I'm late, nine thirty at the harbour", 3)),
        ("dateless", 4, json!({"content": "harbour", "metadata": {"client": {"os": "linux"}}})),
    ];
    assert_eq!(setup.write(&written).await.unwrap(), [201; 4]);
    assert_eq!(setup.ask("POST", "/messages/_refresh", &Value::Null).await.0, 200);
    let typed = async |text: &str| {
        let query = json!({"query": text, "fields": ["content"], "default_operator": "and"});
        setup
            .found(&json!({"query": {"simple_query_string": query}, "sort": [{"sentAt": {"order": "desc"}}]}))
            .await
    };
    assert_eq!(typed("COFFEE").await, ["tea", "coffee"]);
    assert_eq!(typed("harbour").await, ["late", "coffee", "dateless"]);
    assert_eq!(typed("harb*").await, ["late", "coffee", "dateless"]);
    assert_eq!(typed("nine harbour").await, ["late", "coffee"]);
    assert_eq!(typed("\"nine thirty\"").await, ["late"]);
    assert_eq!(typed("nine -late").await, ["coffee"]);
    assert_eq!(typed("-harbour").await, ["tea"]);
    assert_eq!(typed("tea | late").await, ["late", "tea"]);
    assert_eq!(typed("").await, [""; 0]);
    // An edit replaces what is found.
    assert_eq!(setup.write(&[("tea", 9, message("cocoa", 2))]).await.unwrap(), [200]);
    assert_eq!(typed("tea").await, ["tea"], "not refreshed yet, or the old one is gone");
    assert_eq!(setup.ask("POST", "/messages/_refresh", &Value::Null).await.0, 200);
    assert_eq!((typed("tea").await.len(), typed("cocoa").await.len()), (0, 1));
    let linux = json!({"query": {"term": {"metadata.client.os": "linux"}}});
    assert_eq!(setup.found(&linux).await, ["dateless"]);
    let best = json!({"query": {"match": {"content": "coffee tea"}}, "size": 1});
    assert_eq!(setup.found(&best).await, ["coffee"]);
}

#[tokio::test]
async fn a_point_in_time_is_read_page_by_page_while_writing_goes_on() {
    let setup = Setup::prepared(IndexOptions::default()).await;
    let ids: Vec<String> = (0..250).map(|number| format!("id-{number}")).collect();
    let documents: Vec<_> = ids.iter().map(|id| (id.as_str(), 1, json!({"id": id}))).collect();
    assert!(setup.write(&documents).await.unwrap().iter().all(|status| *status == 201));
    setup.write(&[("dead", 1, json!({"deleted": true}))]).await.unwrap();
    setup.ask("POST", "/messages/_refresh", &Value::Null).await;
    let (_, opened) = setup.ask("POST", "/messages/_pit?keep_alive=1m", &Value::Null).await;
    setup.write(&[("id-0", 2, json!({"id": "changed"}))]).await.unwrap();
    setup.ask("POST", "/messages/_refresh", &Value::Null).await;
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let mut query = json!({"size": 100, "pit": {"id": opened["id"], "keep_alive": "1m"}, "sort": ["_shard_doc"],
            "track_total_hits": false, "version": true});
        if !after.is_null() {
            query["search_after"] = after;
        }
        let (status, page) = setup.ask("POST", "/_search", &query).await;
        assert_eq!((status, page["timed_out"].clone()), (200, json!(false)), "{page}");
        let hits = page["hits"]["hits"].as_array().unwrap();
        let Some(last) = hits.last() else { break };
        after = last["sort"].clone();
        seen.extend(
            hits.iter()
                .map(|hit| (hit["_source"]["id"].as_str().unwrap().to_owned(), hit["_version"].as_u64())),
        );
    }
    seen.sort();
    let mut wanted: Vec<_> = ids.into_iter().map(|id| (id, Some(1))).collect();
    wanted.sort();
    assert_eq!(seen, wanted);
    assert_eq!(setup.ask("DELETE", "/_pit", &json!({"id": opened["id"]})).await.1["num_freed"], 1);
    assert_eq!(
        setup.ask("POST", "/messages-000001/_count", &json!({"query": {"term": {"deleted": true}}})).await.1
            ["count"],
        1
    );
    let (_, alias) = setup.ask("GET", "/_alias/messages", &Value::Null).await;
    assert!(alias["messages-000001"]["aliases"]["messages"]["filter"].is_object(), "{alias}");
}

#[tokio::test]
async fn a_full_index_refuses_for_load_and_keeps_what_it_has() {
    let setup = Setup::prepared(IndexOptions { bytes_max: 25 << 20, ..IndexOptions::default() }).await;
    let content = "word ".repeat(100_000);
    let mut refused = None;
    for version in 1..200_u64 {
        match setup.write(&[(&format!("id-{version}"), version, json!({"content": content}))]).await {
            Ok(statuses) => assert_eq!(statuses, [201]),
            Err(refusal) => {
                refused = Some(refusal);
                break;
            }
        }
    }
    let (status, body) = refused.unwrap();
    assert!(
        status == 429 && body.contains("circuit_breaking_exception") && body.contains("trying out"),
        "{body}"
    );
    assert_eq!(setup.ask("GET", "/messages/_doc/id-1", &Value::Null).await.0, 200);
}

#[tokio::test]
async fn while_it_is_down_nothing_is_answered_and_nothing_forgotten() {
    let setup = Setup::prepared(IndexOptions::default()).await;
    assert_eq!(setup.write(&[("a", 1, json!({}))]).await.unwrap(), [201]);
    setup.index.take_down();
    for _ in 0..3 {
        assert_eq!(setup.write(&[("a", 2, json!({}))]).await.unwrap_err().0, 503);
    }
    setup.index.bring_up();
    assert_eq!(setup.write(&[("a", 1, json!({}))]).await.unwrap(), [409]);
    assert_eq!(setup.write(&[("a", 2, json!({}))]).await.unwrap(), [200]);
    let url = setup.index.url();
    drop(setup.index);
    assert!(setup.http.get(&url).send().await.unwrap_err().is_connect(), "it has ended");
}

#[tokio::test]
async fn what_is_not_known_is_refused_by_name() {
    let setup = Setup::prepared(IndexOptions::default()).await;
    for (method, path, body, status, named) in [
        ("POST", "/messages/_delete_by_query", json!({}), 501, "POST /messages/_delete_by_query"),
        ("GET", "/_cat/indices", json!({}), 501, "GET /_cat/indices"),
        ("DELETE", "/messages/_search", json!({}), 501, "DELETE /messages/_search"),
        ("POST", "/messages/_search", json!({"aggs": {}}), 400, "[aggs]"),
        ("POST", "/messages/_search", json!({"query": {"fuzzy": {}}}), 400, "the query [fuzzy]"),
        ("POST", "/messages/_search", json!({"sort": "content"}), 400, "[content]"),
        ("POST", "/nothing/_search", json!({}), 404, "[nothing]"),
        ("PUT", "/Wrong", json!({}), 400, "[Wrong]"),
        ("PUT", "/_x", json!({}), 400, "[_x]"),
    ] {
        let (found, answer) = setup.ask(method, path, &body).await;
        let reason = answer["error"]["reason"].as_str().unwrap_or_default();
        assert!(found == status && reason.contains(named), "{method} {path}: {found} {answer}");
    }
    let long = vec![b' '; 33 << 20];
    let url = format!("{}/messages/_bulk", setup.index.url());
    let answer = setup.http.post(url).body(long).send().await.unwrap();
    assert_eq!(answer.status(), 413);
}
