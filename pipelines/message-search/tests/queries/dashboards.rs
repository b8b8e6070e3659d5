//! Grafana's dashboards, as far as a test reads them.

use serde_json::Value;

use super::{Query, path};

/// A dashboard's file.
#[derive(Debug)]
pub(crate) struct Dashboard {
    pub(crate) file: String,
    pub(crate) json: Value,
}

/// That of flows with state and commands, of which the message indexer has none: ticketing's tests ask it.
pub(crate) const EXACTLY_ONCE: &str = "exactly-once.json";

/// All there are.
pub(crate) fn all() -> Vec<Dashboard> {
    let entries = std::fs::read_dir(path("grafana")).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = entries
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            let json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
            Dashboard { file, json }
        })
        .collect();
    all.sort_by(|one, other| one.file.cmp(&other.file));
    all
}

/// As Grafana fills in variables, "all" chosen everywhere.
fn filled(text: &str, place: &str) -> String {
    // Grafana makes it four scrape intervals at least.
    let mut text = text.replace("$__rate_interval", "10s");
    for variable in ["flow", "instance", "topic", "sink"] {
        text = text.replace(&format!("${variable}"), ".+");
    }
    assert!(!text.contains('$'), "{place}: a variable that the test does not know: {text}");
    text
}

impl Dashboard {
    /// Its panels, rows left out.
    pub(crate) fn panels(&self) -> Vec<&Value> {
        let panels = self.json["panels"].as_array().unwrap();
        panels.iter().filter(|panel| panel["type"] != "row").collect()
    }

    /// Every `expr` in it, wherever it stands.
    pub(crate) fn queries(&self) -> Vec<Query> {
        let mut found = Vec::new();
        self.find(&self.json, &self.file, &mut found);
        found
    }

    fn find(&self, value: &Value, place: &str, found: &mut Vec<Query>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.find(item, place, found)),
            Value::Object(members) => {
                let title = members.get("title").and_then(Value::as_str);
                let place = title.map_or(place.to_owned(), |title| format!("{}: {title}", self.file));
                for (name, member) in members {
                    match member.as_str().filter(|_| name == "expr") {
                        Some(text) => {
                            let text = filled(text, &place);
                            found.push(Query { place: place.clone(), text });
                        }
                        None => self.find(member, &place, found),
                    }
                }
            }
            _ => {}
        }
    }

    /// The queries of its variables: what is asked, and which label's values are wanted.
    pub(crate) fn variables(&self) -> Vec<(Query, String)> {
        let all = self.json["templating"]["list"].as_array().unwrap();
        let asked = all.iter().filter(|variable| variable["type"] == "query");
        asked
            .map(|variable| {
                let place = format!("{}: ${}", self.file, variable["name"].as_str().unwrap());
                let text = variable["query"]["query"].as_str().unwrap();
                let inner =
                    text.strip_prefix("label_values(").and_then(|text| text.strip_suffix(')')).unwrap();
                let (selector, label) = inner.rsplit_once(", ").unwrap();
                let text = filled(selector, &place);
                (Query { place, text }, label.to_owned())
            })
            .collect()
    }
}
