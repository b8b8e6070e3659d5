//! Elasticsearch, asked by hand.

use reqwest::blocking::Client;
use serde_json::Value;

/// Sends one request; answers status and body.
pub fn ask(url: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
    let answer = Client::new()
        .request(method.parse().unwrap(), format!("{url}/{path}"))
        .header("content-type", "application/json")
        .body(body.to_owned())
        .send()
        .unwrap();
    (answer.status().as_u16(), answer.json().unwrap_or_default())
}

/// The index behind the alias.
pub fn behind(url: &str, alias: &str) -> String {
    let (status, indices) = ask(url, "GET", &format!("_alias/{alias}"), "");
    assert_eq!(status, 200, "{indices}");
    indices.as_object().unwrap().keys().next().unwrap().clone()
}

/// What readers see of a message, found by its id; `None`: nothing.
pub fn visible(url: &str, alias: &str, id: &str) -> Option<Value> {
    ask(url, "POST", &format!("{alias}/_refresh"), "");
    let (status, found) = ask(url, "GET", &format!("{alias}/_search?q=id:%22{id}%22"), "");
    assert_eq!(status, 200, "{found}");
    let hits = found["hits"]["hits"].as_array().unwrap();
    assert!(hits.len() < 2, "{id} is there twice: {found}");
    hits.first().map(|hit| hit["_source"].clone())
}

/// How many documents readers see.
pub fn count(url: &str, alias: &str) -> u64 {
    ask(url, "POST", &format!("{alias}/_refresh"), "");
    let (status, found) = ask(url, "GET", &format!("{alias}/_count"), "");
    assert_eq!(status, 200, "{found}");
    found["count"].as_u64().unwrap()
}

/// Removes every index behind the alias, if there is one and the server is there.
pub fn remove(url: &str, alias: &str) {
    let Ok(answer) = Client::new().get(format!("{url}/_alias/{alias}")).send() else { return };
    let Ok(Value::Object(indices)) = answer.json() else { return };
    for index in indices.keys().filter(|index| index.starts_with(alias)) {
        let _ = Client::new().delete(format!("{url}/{index}")).send();
    }
}
