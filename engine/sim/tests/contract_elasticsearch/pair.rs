//! A server and the simulator's twin, asked the same.

use serde_json::{Value, json};
use thalweg_connectors::elasticsearch::settings::ElasticsearchSettings;
use thalweg_connectors::elasticsearch::setup::{IndexPlan, Log};
use thalweg_connectors::elasticsearch::{ElasticsearchClient, Operation};
use thalweg_core::sink::Reply;
use thalweg_embedded::index::{EmbeddedIndex, IndexOptions};
use thalweg_sim::twins::elasticsearch::{ElasticsearchTwin, NoFaults};

const PROPERTIES: &str = r#"{"id":{"type":"keyword"},"content":{"type":"text"},"date":{"type":"date"},
    "metadata":{"type":"flattened"}}"#;

/// Which server is held against the simulator's twin.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Server {
    Real,
    Embedded,
}

/// A server over HTTP and the simulator's twin, each with a fresh index of the same name.
pub(crate) struct Pair {
    /// Ends with the pair, if it is the one.
    _embedded: Option<EmbeddedIndex>,
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) http: reqwest::blocking::Client,
    pub(crate) url: String,
    pub(crate) client: ElasticsearchClient,
    pub(crate) twin: ElasticsearchTwin,
    pub(crate) plan: IndexPlan,
}

impl Pair {
    pub(crate) fn new(server: Server, name: &str) -> Self {
        let (embedded, url) = match server {
            Server::Real => (None, thalweg_testbed::servers::elasticsearch()),
            Server::Embedded => {
                let index = EmbeddedIndex::start(IndexOptions::default()).unwrap();
                let url = index.url();
                (Some(index), url)
            }
        };
        let alias = format!("contract-{name}-{}", std::process::id());
        let settings =
            ElasticsearchSettings { nodes: vec![url.clone()], alias, ..ElasticsearchSettings::default() };
        let settings = ElasticsearchSettings { replicas: 0, ..settings };
        let plan = settings.plan(PROPERTIES).unwrap();
        Self {
            _embedded: embedded,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            http: reqwest::blocking::Client::new(),
            url,
            client: ElasticsearchClient::new(&settings).unwrap(),
            twin: ElasticsearchTwin::new(plan.target().clone()),
            plan,
        }
    }

    /// With the index made.
    pub(crate) fn prepared(server: Server, name: &str) -> Self {
        let mut pair = Self::new(server, name);
        let body = pair.plan.create_body(&log());
        pair.same(Operation::CreateIndex, &String::from_utf8(body).unwrap());
        pair
    }

    pub(crate) fn index(&self) -> String {
        self.plan.target().first_index()
    }

    /// Sends the request to both; what we read of the answers must be the same. Answers it.
    pub(crate) fn same(&mut self, operation: Operation, body: &str) -> Value {
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

    pub(crate) fn bulk(&mut self, lines: &[Value]) -> Vec<Value> {
        let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
        self.bulk_text(&body)
    }

    pub(crate) fn bulk_text(&mut self, body: &str) -> Vec<Value> {
        self.same(Operation::Bulk, body)["items"].as_array().cloned().unwrap_or_default()
    }

    /// Writes one document; answers its status.
    pub(crate) fn write(&mut self, id: &str, version: i64, document: &Value) -> u64 {
        self.write_text(id, version, &document.to_string())
    }

    pub(crate) fn write_text(&mut self, id: &str, version: i64, document: &str) -> u64 {
        let items = self.bulk_text(&format!("{}\n{document}\n", action(id, version)));
        items[0]["status"].as_u64().unwrap()
    }

    /// A request that only the server needs.
    pub(crate) fn arrange(&self, method: reqwest::Method, path: &str, body: &Value) {
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

pub(crate) fn log() -> Log {
    Log { topic: "t".into(), topic_id: "x".into(), partitions: 4 }
}

pub(crate) fn action(id: &str, version: i64) -> Value {
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
        Operation::CreateIndex | Operation::PutMapping => body,
        _ => panic!("compared elsewhere"),
    }
}
