//! Which request of Elasticsearch's API is answered by what.

use std::io::{self, Write as _};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, header};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::answer_fields::AnswerFields;
use super::indices::Indices;
use super::record::Record;
use super::{Keep, StandInOptions, bulk, mget};
use crate::answer::{Answer, error, json_answer, refusal};
use crate::bulk_request::{BODY_BYTES_MAX, unpacked};

/// Everything a stand-in knows.
#[derive(Debug)]
pub(super) struct State {
    keep: Keep,
    // One lock: the server has one thread.
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    indices: Indices,
    record: Record,
    items: u64,
}

impl State {
    pub(super) fn new(options: &StandInOptions) -> io::Result<Self> {
        let held = Held { indices: Indices::default(), record: Record::new(options)?, items: 0 };
        Ok(Self { keep: options.keep, held: Mutex::new(held) })
    }

    pub(super) fn items(&self) -> u64 {
        self.held.lock().items
    }

    pub(super) fn flush(&self) -> io::Result<()> {
        self.held.lock().record.flush()
    }

    pub(super) async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else { return refusal(413) };
        let encoding = head.headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
        let body = match unpacked(body.to_bytes(), encoding) {
            Ok(body) => body,
            Err(reason) => return bad_request(&reason),
        };
        let held = &mut *self.held.lock();
        let steps: Vec<&str> = head.uri.path().split('/').filter(|step| !step.is_empty()).collect();
        match (head.method, steps.as_slice()) {
            (Method::POST | Method::PUT, ["_bulk"]) => self.bulk(held, &body, None, head.uri.query()),
            (Method::POST | Method::PUT, [index, "_bulk"]) => {
                self.bulk(held, &body, Some(index), head.uri.query())
            }
            (Method::POST | Method::GET, ["_mget"]) => found(mget::answer(&body, None, &mut held.indices)),
            (Method::POST | Method::GET, [index, "_mget"]) => {
                found(mget::answer(&body, Some(index), &mut held.indices))
            }
            (Method::GET, ["_stand_in", "documents"]) => json_answer(200, dump(&held.indices)),
            (Method::POST, ["_stand_in", "flush"]) => match held.record.flush() {
                Ok(()) => acknowledged(),
                Err(reason) => json_answer(500, error(500, "exception", &reason.to_string()).to_string()),
            },
            (method, steps) => admin(&method, steps, &body, &mut held.indices),
        }
    }

    fn bulk(&self, held: &mut Held, body: &Bytes, index: Option<&str>, query: Option<&str>) -> Answer {
        let fields = AnswerFields::of_query(query);
        match bulk::apply(body, index, fields, self.keep, &mut held.indices, &mut held.record) {
            Ok(answered) => {
                held.items += answered.items;
                json_answer(200, answered.body)
            }
            Err(reason) => bad_request(&reason),
        }
    }
}

/// Requests about indices, not documents.
fn admin(method: &Method, steps: &[&str], body: &[u8], indices: &mut Indices) -> Answer {
    let body: Value = match body {
        [] => Value::Null,
        body => match serde_json::from_slice(body) {
            Ok(body) => body,
            Err(reason) => return bad_request(&reason.to_string()),
        },
    };
    match (method.as_str(), steps) {
        ("GET", ["_cluster", "health", ..]) => json_answer(
            200,
            json!({"cluster_name": "stand-in", "status": "green", "timed_out": false}).to_string(),
        ),
        ("POST", ["_aliases"]) => change_aliases(&body, indices),
        ("GET" | "HEAD", ["_alias", alias]) => described(indices.with_alias(alias)),
        (_, [.., "_refresh" | "_flush"]) => {
            json_answer(200, json!({"_shards": {"total": 1, "successful": 1, "failed": 0}}).to_string())
        }
        (_, [name]) if name.starts_with('_') => unknown(method, steps),
        ("PUT", [name]) if indices.create(name, &body) => json_answer(
            200,
            json!({"acknowledged": true, "shards_acknowledged": true, "index": name}).to_string(),
        ),
        ("PUT", [name]) => {
            let reason = format!("index [{name}] already exists");
            json_answer(400, error(400, "resource_already_exists_exception", &reason).to_string())
        }
        ("DELETE", [name]) => outcome(indices.delete(name)),
        ("GET" | "HEAD", [name]) => described(indices.describe(name, None)),
        ("GET", [name, "_mapping"]) => described(indices.describe(name, Some("mappings"))),
        ("GET", [name, "_settings"]) => described(indices.describe(name, Some("settings"))),
        ("GET", [name, "_alias"]) => described(indices.describe(name, Some("aliases"))),
        ("PUT" | "POST", [name, "_mapping"]) => outcome(indices.put_mapping(name, &body)),
        ("PUT", [_, "_settings"]) => acknowledged(),
        ("PUT" | "POST", [name, "_alias" | "_aliases", alias]) => {
            let definition = if body.is_null() { json!({}) } else { body };
            outcome(indices.put_alias(name, alias, &definition))
        }
        ("GET" | "POST", [name, "_count"]) => match indices.describe(name, None) {
            Some(_) => json_answer(200, json!({"count": indices.documents(name).1.count()}).to_string()),
            None => described(None),
        },
        _ => unknown(method, steps),
    }
}

/// `POST /_aliases`: its actions in order, up to the first that can't be done.
fn change_aliases(body: &Value, indices: &mut Indices) -> Answer {
    for action in body["actions"].as_array().into_iter().flatten() {
        let text = |what: &Value, field: &str| what[field].as_str().unwrap_or_default().to_owned();
        let done = if let Some(add) = action.get("add") {
            let mut definition = add.as_object().cloned().unwrap_or_default();
            definition.remove("index");
            definition.remove("alias");
            indices.put_alias(&text(add, "index"), &text(add, "alias"), &Value::Object(definition))
        } else if let Some(remove) = action.get("remove") {
            indices.remove_alias(&text(remove, "index"), &text(remove, "alias"))
        } else {
            false
        };
        if !done {
            return outcome(false);
        }
    }
    acknowledged()
}

fn dump(indices: &Indices) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, id, version, source) in indices.every_document() {
        let head = json!({"_index": index, "_id": id, "_version": version}).to_string();
        let source = if source.is_empty() { b"null".as_slice() } else { source };
        // Writing to memory can't fail.
        let _ = out.write_all(head.trim_end_matches('}').as_bytes());
        let _ = out.write_all(b",\"_source\":");
        let _ = out.write_all(source);
        let _ = out.write_all(b"}\n");
    }
    out
}

fn found(answer: Result<Vec<u8>, String>) -> Answer {
    answer.map_or_else(|reason| bad_request(&reason), |body| json_answer(200, body))
}

fn described(what: Option<Value>) -> Answer {
    let missing =
        || json_answer(404, error(404, "index_not_found_exception", "no such index or alias").to_string());
    what.map_or_else(missing, |what| json_answer(200, what.to_string()))
}

fn outcome(done: bool) -> Answer {
    if done { acknowledged() } else { described(None) }
}

fn acknowledged() -> Answer {
    json_answer(200, "{\"acknowledged\":true}")
}

fn bad_request(reason: &str) -> Answer {
    json_answer(400, error(400, "illegal_argument_exception", reason).to_string())
}

fn unknown(method: &Method, steps: &[&str]) -> Answer {
    bad_request(&format!("the stand-in does not know {method} /{}", steps.join("/")))
}
