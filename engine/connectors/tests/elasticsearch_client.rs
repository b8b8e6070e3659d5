//! The Elasticsearch client against the real server, and against servers that fail in chosen ways.

#![cfg(feature = "elasticsearch")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on must fail")]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thalweg_connectors::elasticsearch::purge::Purged;
use thalweg_connectors::elasticsearch::settings::ElasticsearchSettings;
use thalweg_connectors::elasticsearch::setup::{IndexPlan, Log, SetupError};
use thalweg_connectors::elasticsearch::{ElasticsearchClient, Generation, Operation, PrepareError};
use thalweg_connectors::kafka::secret::Secret;
use thalweg_core::sink::Reply;
use thalweg_testbed::proxy::{HttpProxy, Rule};

const PROPERTIES: &str = r#"{"id":{"type":"keyword"},"content":{"type":"text"}}"#;
const TIMEOUT: Duration = Duration::from_secs(20);

/// An alias of its own on the shared server, removed at the end.
struct Index {
    settings: ElasticsearchSettings,
    plan: IndexPlan,
    url: String,
    http: reqwest::Client,
}

impl Index {
    fn new(name: &str) -> Self {
        let url = thalweg_testbed::servers::elasticsearch();
        let alias = format!("client-{name}-{}", std::process::id());
        let (nodes, replicas) = (vec![url.clone()], 0);
        let settings = ElasticsearchSettings { nodes, alias, replicas, ..ElasticsearchSettings::default() };
        let plan = settings.plan(PROPERTIES).unwrap();
        Self { settings, plan, url, http: reqwest::Client::new() }
    }

    fn client(&self, nodes: &[&str]) -> ElasticsearchClient {
        let nodes = nodes.iter().map(|&node| node.to_owned()).collect();
        ElasticsearchClient::new(&ElasticsearchSettings { nodes, ..self.settings.clone() }).unwrap()
    }

    fn here(&self) -> ElasticsearchClient {
        self.client(&[&self.url])
    }

    fn name(&self) -> String {
        self.plan.target().first_index()
    }

    async fn put(&self, path: &str, body: &Value) {
        let answer = self.http.put(format!("{}/{path}", self.url)).json(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    async fn remove(self) {
        let alias = self.plan.target().alias();
        for name in [self.name(), alias.to_owned()] {
            let _ = self.http.delete(format!("{}/{name}", self.url)).send().await;
        }
    }
}

fn log() -> Log {
    Log { topic: "t".into(), topic_id: "x".into(), partitions: 4 }
}

fn bulk(id: &str, version: u64, document: &Value) -> thalweg_core::sink::Request {
    let action = json!({"index": {"_id": id, "version": version, "version_type": "external"}});
    Operation::Bulk.request(format!("{action}\n{document}\n").into_bytes())
}

fn status(reply: &Reply) -> u64 {
    let Reply::Answer { body, .. } = reply else { panic!("{reply:?}") };
    let body: Value = serde_json::from_slice(body).unwrap();
    body["items"][0]["index"]["status"].as_u64().unwrap()
}

#[tokio::test]
async fn instances_that_start_at_once_make_one_index() {
    let index = Index::new("race");
    let clients: Vec<_> = (0..4).map(|_| index.here()).collect();
    let log = log();
    let prepare = |client: usize| clients[client].prepare(&index.plan, &log, TIMEOUT);
    let all = tokio::join!(prepare(0), prepare(1), prepare(2), prepare(3));
    for outcome in [all.0, all.1, all.2, all.3] {
        let (found, generation) = outcome.unwrap();
        assert_eq!((found.index, generation), (index.name(), Generation::FIRST));
    }
    index.remove().await;
}

#[tokio::test]
async fn another_log_stops_the_start_until_the_generation_is_raised() {
    let index = Index::new("log");
    let client = index.here();
    client.prepare(&index.plan, &log(), TIMEOUT).await.unwrap();
    for (changed, what) in [
        (Log { topic_id: "y".into(), ..log() }, "the topic's id was x and is y"),
        (Log { partitions: 8, ..log() }, "the number of partitions was 4 and is 8"),
        (Log { topic: "u".into(), ..log() }, "the topic was t and is u"),
    ] {
        let error = client.prepare(&index.plan, &changed, TIMEOUT).await.unwrap_err();
        assert!(matches!(error, PrepareError::Setup(SetupError::LogChanged { .. })));
        assert!(
            error.to_string().contains(what) && error.to_string().contains("raise-generation"),
            "{error}"
        );
    }
    let changed = Log { partitions: 8, ..log() };
    let raised = client.raise_generation(&index.plan, &changed).await.unwrap();
    assert_eq!(raised, Generation::FIRST.next().unwrap());
    let (_, generation) = client.prepare(&index.plan, &changed, TIMEOUT).await.unwrap();
    assert_eq!(generation, raised);
    assert!(client.prepare(&index.plan, &log(), TIMEOUT).await.is_err());
    index.remove().await;
}

#[tokio::test]
async fn a_foreign_index_stops_the_start() {
    let filter = json!({"bool": {"must_not": {"term": {"deleted": true}}}});
    let aliases = |index: &Index| json!({index.plan.target().alias(): {"filter": filter}});
    let mapping = |content: &str| {
        json!({"dynamic": "strict", "_meta": {"thalweg": {"topic": "t", "topic_id": "x", "partitions": 4, "generation": 1}},
            "properties": {"id": {"type": "keyword"}, "content": {"type": content}, "deleted": {"type": "boolean"},
            "deletedAt": {"type": "date", "format": "epoch_millis"}}})
    };
    let mut without_meta = mapping("text");
    without_meta["_meta"] = json!({});
    let mut extra = mapping("text");
    extra["properties"]["more"] = json!({"type": "long"});
    let mut dynamic = mapping("text");
    dynamic["dynamic"] = json!("true");
    for (mapping, wanted) in [
        (mapping("keyword"), "field `content` is {\"type\":\"keyword\"}, and must be {\"type\":\"text\"}"),
        (extra, "field `more` is {\"type\":\"long\"}, and must be missing"),
        (dynamic, "`dynamic` is \"true\", and must be \"strict\""),
        (without_meta, "has no readable `_meta.thalweg`"),
    ] {
        let index = Index::new("foreign");
        index.put(&index.name(), &json!({"mappings": mapping, "aliases": aliases(&index)})).await;
        let error = index.here().prepare(&index.plan, &log(), TIMEOUT).await.unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
        index.remove().await;
    }
    let index = Index::new("unfiltered");
    let unfiltered = json!({index.plan.target().alias(): {}});
    index.put(&index.name(), &json!({"mappings": mapping("text"), "aliases": unfiltered})).await;
    let error = index.here().prepare(&index.plan, &log(), TIMEOUT).await.unwrap_err();
    assert!(error.to_string().contains("must have the filter"), "{error}");
    index.remove().await;
    let index = Index::new("plain");
    index.put(index.plan.target().alias(), &json!({})).await;
    let error = index.here().prepare(&index.plan, &log(), TIMEOUT).await.unwrap_err();
    assert!(error.to_string().contains("is an index, and must be an alias"), "{error}");
    index.remove().await;
    let index = Index::new("aliasless");
    index.put(&index.name(), &json!({})).await;
    let error = index.here().prepare(&index.plan, &log(), Duration::from_secs(1)).await.unwrap_err();
    assert!(error.to_string().contains("not behind the alias"), "{error}");
    index.remove().await;
}

/// A port that nobody listens on.
fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn no_node_is_an_error_that_names_it_in_time() {
    let index = Index::new("nobody");
    let nobody = closed_port();
    let start = Instant::now();
    let error =
        index.client(&[&nobody]).prepare(&index.plan, &log(), Duration::from_secs(1)).await.unwrap_err();
    assert!(error.to_string().contains(&nobody), "{error}");
    assert!(start.elapsed() < Duration::from_secs(5));
    let reply = index.client(&[&nobody]).send(bulk("a", 1, &json!({}))).await;
    assert!(
        matches!(&reply, Reply::NotSent(why) if why.contains(&nobody) && why.contains("refused")),
        "{reply:?}"
    );
}

#[tokio::test]
async fn a_node_that_is_down_is_passed_over() {
    let index = Index::new("nodes");
    let client = index.client(&[&closed_port(), &index.url, &closed_port()]);
    client.prepare(&index.plan, &log(), TIMEOUT).await.unwrap();
    for version in 1..10 {
        let reply = client.send(bulk("a", version, &json!({"id": "1"}))).await;
        assert_eq!(status(&reply), if version == 1 { 201 } else { 200 });
    }
    index.remove().await;
}

/// Sends again until the reply is as wanted.
async fn until(
    client: &ElasticsearchClient,
    request: impl Fn() -> thalweg_core::sink::Request,
    wanted: impl Fn(&Reply) -> bool,
) -> Reply {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let reply = client.send(request()).await;
        if wanted(&reply) {
            return reply;
        }
        assert!(Instant::now() < deadline, "{reply:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_may_have_arrived_is_unknown() {
    let index = Index::new("lost");
    index.here().prepare(&index.plan, &log(), TIMEOUT).await.unwrap();
    let proxy = HttpProxy::before_shared_elasticsearch().unwrap();
    let settings = ElasticsearchSettings { request_timeout_ms: 1_000, ..index.settings.clone() };
    let client =
        ElasticsearchClient::new(&ElasticsearchSettings { nodes: vec![proxy.url()], ..settings }).unwrap();
    let document = json!({"id": "1"});
    let _ = proxy.add(Rule::drop_answer().times(1));
    let reply = client.send(bulk("a", 1, &document)).await;
    assert!(matches!(reply, Reply::Unknown(_)), "{reply:?}");
    assert_eq!(status(&client.send(bulk("a", 1, &document)).await), 409);
    let slow = proxy.add(Rule::delay(3_000));
    let reply = client.send(bulk("a", 2, &document)).await;
    assert!(matches!(reply, Reply::Unknown(_)), "{reply:?}");
    slow.off();
    let _ = proxy.add(Rule::answer(413).times(1));
    let reply = client.send(bulk("a", 3, &document)).await;
    assert!(matches!(reply, Reply::Answer { status: 413, .. }), "{reply:?}");
    // The proxy takes a moment to close its door, and to open it.
    proxy.refuse();
    let _ = until(&client, || bulk("a", 3, &document), |reply| matches!(reply, Reply::NotSent(_))).await;
    proxy.heal();
    let answered = |reply: &Reply| matches!(reply, Reply::Answer { .. });
    let reply = until(&client, || bulk("a", 4, &document), answered).await;
    // 409: an attempt before it had arrived all the same.
    assert!(matches!(status(&reply), 200 | 409), "{reply:?}");
    index.remove().await;
}

#[tokio::test]
async fn compressed_bodies_arrive() {
    let index = Index::new("gzip");
    let settings = ElasticsearchSettings { compress: true, ..index.settings.clone() };
    let client = ElasticsearchClient::new(&settings).unwrap();
    client.prepare(&index.plan, &log(), TIMEOUT).await.unwrap();
    let document = json!({"id": "1", "content": "word ".repeat(10_000)});
    assert_eq!(status(&client.send(bulk("a", 1, &document)).await), 201);
    index.remove().await;
}

/// Answers one request with `answer`, and tells what it was asked.
fn one_answer(answer: String) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        let mut buffer = [0; 4_096];
        while !asked.windows(4).any(|window| window == b"\r\n\r\n") {
            let len = stream.read(&mut buffer).unwrap();
            asked.extend_from_slice(&buffer[..len]);
        }
        let _ = stream.write_all(answer.as_bytes());
        String::from_utf8_lossy(&asked).to_ascii_lowercase()
    });
    (url, asked)
}

#[tokio::test]
async fn credentials_go_out_and_long_answers_are_not_taken() {
    let base = ElasticsearchSettings { answer_bytes_max: 1 << 20, ..ElasticsearchSettings::default() };
    let secret = |text: &str| Some(Secret::new(text));
    for (settings, header) in [
        (
            ElasticsearchSettings { api_key: secret("aWQ6a2V5"), ..base.clone() },
            "authorization: apikey awq6a2v5",
        ),
        (
            ElasticsearchSettings { username: Some("u".into()), password: secret("p"), ..base.clone() },
            "authorization: basic dtpw",
        ),
    ] {
        let (url, asked) = one_answer(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 2 << 20));
        let client =
            ElasticsearchClient::new(&ElasticsearchSettings { nodes: vec![url], ..settings }).unwrap();
        let reply = client.send(Operation::Mget.request(b"{\"ids\":[\"a\"]}".to_vec())).await;
        assert!(matches!(&reply, Reply::Unknown(why) if why.contains("too long")), "{reply:?}");
        let asked = asked.join().unwrap();
        assert!(asked.contains(header) && asked.contains("accept-encoding: identity"), "{asked}");
        assert!(asked.contains("content-type: application/json\r\n"), "{asked}");
    }
}

#[tokio::test]
async fn a_refusal_of_credentials_ends_the_start_at_once() {
    let index = Index::new("denied");
    let body = r#"{"error":{"type":"security_exception","reason":"missing credentials"},"status":401}"#;
    let (url, _asked) = one_answer(format!("HTTP/1.1 401 X\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    let error = index.client(&[&url]).prepare(&index.plan, &log(), TIMEOUT).await.unwrap_err();
    assert!(
        matches!(&error, PrepareError::Refused(why) if why.contains("401 security_exception")),
        "{error}"
    );
}

#[tokio::test]
async fn the_purge_takes_old_tombstones() {
    let index = Index::new("purge");
    let client = index.here();
    let (found, _) = client.prepare(&index.plan, &log(), TIMEOUT).await.unwrap();
    for (id, deleted_at_ms) in [("old", 1_000_000), ("young", 2_000_000)] {
        let tombstone = json!({"deleted": true, "deletedAt": deleted_at_ms});
        assert_eq!(status(&client.send(bulk(id, 1, &tombstone)).await), 201);
    }
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let purged = client.purge(&found.index, 1_500_000).await.unwrap();
        if purged == (Purged { removed: 1, ..Purged::default() }) {
            break;
        }
        assert_eq!(purged, Purged::default());
        assert!(Instant::now() < deadline, "the search never notices the tombstone");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let reply = client.send(Operation::Mget.request(br#"{"ids":["old","young"]}"#.to_vec())).await;
    let Reply::Answer { body, .. } = reply else { panic!("{reply:?}") };
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&body["docs"][0]["found"], &body["docs"][1]["found"]), (&json!(false), &json!(true)));
    index.remove().await;
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn tls_with_a_ca_file_and_a_user() {
    use thalweg_testbed::private::{Elasticsearch, PASSWORD, USER};
    let server = Elasticsearch::start_secured(&[]).unwrap();
    let certificates = thalweg_testbed::tls::certificates().unwrap();
    let file = |path: &std::path::Path| Some(path.to_str().unwrap().to_owned());
    let settings = ElasticsearchSettings {
        nodes: vec![server.url()],
        replicas: 0,
        username: Some(USER.into()),
        password: Some(Secret::new(PASSWORD)),
        ca_file: file(&certificates.ca),
        ..ElasticsearchSettings::default()
    };
    let plan = settings.plan(PROPERTIES).unwrap();
    let client = ElasticsearchClient::new(&settings).unwrap();
    client.prepare(&plan, &log(), Duration::from_secs(60)).await.unwrap();
    assert_eq!(status(&client.send(bulk("a", 1, &json!({}))).await), 201);
    let wrong = ElasticsearchSettings { password: Some(Secret::new("wrong")), ..settings.clone() };
    let error = ElasticsearchClient::new(&wrong).unwrap().prepare(&plan, &log(), TIMEOUT).await.unwrap_err();
    assert!(error.to_string().contains("401"), "{error}");
    let other = ElasticsearchSettings { ca_file: file(&certificates.other_ca), ..settings };
    let error = ElasticsearchClient::new(&other)
        .unwrap()
        .prepare(&plan, &log(), Duration::from_secs(1))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}
