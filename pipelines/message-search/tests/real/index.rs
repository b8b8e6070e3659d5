//! The index's side: what readers of the alias see.

use reqwest::blocking::Client;
use serde_json::{Value, json};
use thalweg_testbed::servers;

fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

/// The documents behind the alias, by `_id`, as a search shows them right now.
pub(crate) fn documents(alias: &str) -> Vec<(String, Value)> {
    let base = servers::elasticsearch();
    client().post(format!("{base}/{alias}/_refresh")).send().unwrap();
    let query = json!({"size": 1_000, "sort": ["id"]});
    let answer = client().post(format!("{base}/{alias}/_search")).json(&query).send().unwrap();
    let mut answer: Value = answer.json().unwrap();
    let hits = answer["hits"]["hits"].as_array_mut().unwrap_or_else(|| panic!("{alias} can't be searched"));
    let mut found: Vec<_> =
        hits.iter_mut().map(|hit| (hit["_id"].as_str().unwrap().to_owned(), hit["_source"].take())).collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

/// An index with a mapping that is not ours.
pub(crate) fn create_foreign(alias: &str) {
    let body = json!({
        "settings": {"number_of_replicas": 0},
        "mappings": {"properties": {"content": {"type": "keyword"}}},
        "aliases": {alias: {"filter": {"bool": {"must_not": {"term": {"deleted": true}}}}}},
    });
    let url = format!("{}/{alias}-000001", servers::elasticsearch());
    assert!(client().put(url).json(&body).send().unwrap().status().is_success());
}

pub(crate) fn delete(alias: &str) {
    // What was never made can't be deleted, and that is fine.
    let _ = client().delete(format!("{}/{alias}-000001", servers::elasticsearch())).send();
}
