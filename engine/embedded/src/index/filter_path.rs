//! The parameter `filter_path`: which parts of an answer are sent.

use serde_json::{Map, Value};

/// What of `answer` the comma-separated paths name; objects and lists that are left empty are left out. `*` stands for
/// any one key; lists are passed through.
pub(super) fn filtered(answer: &Value, paths: &str) -> Value {
    let paths: Vec<Vec<&str>> = paths.split(',').map(|path| path.trim().split('.').collect()).collect();
    let paths: Vec<&[&str]> = paths.iter().map(Vec::as_slice).collect();
    kept(answer, &paths).unwrap_or_else(|| Value::Object(Map::new()))
}

fn kept(value: &Value, paths: &[&[&str]]) -> Option<Value> {
    if paths.iter().any(|path| path.is_empty()) {
        return Some(value.clone());
    }
    match value {
        Value::Object(entries) => {
            let entries: Map<_, _> = entries
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), kept(value, &below(key, paths))?)))
                .collect();
            (!entries.is_empty()).then_some(Value::Object(entries))
        }
        Value::Array(values) => {
            let values: Vec<_> = values.iter().filter_map(|value| kept(value, paths)).collect();
            (!values.is_empty()).then_some(Value::Array(values))
        }
        _ => None,
    }
}

fn below<'p>(key: &str, paths: &[&'p [&'p str]]) -> Vec<&'p [&'p str]> {
    paths
        .iter()
        .filter(|path| path.first().is_some_and(|step| *step == "*" || *step == key))
        .map(|path| &path[1..])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_named_stays_and_what_is_empty_goes() {
        let answer = json!({"took": 1, "errors": true, "items": [
            {"index": {"_id": "a", "status": 201}}, {"delete": {"_id": "b", "error": {"type": "x", "reason": "y"}}},
        ]});
        let paths = "errors,items.*._id,items.*.error.type";
        let wanted = json!({"errors": true, "items": [
            {"index": {"_id": "a"}}, {"delete": {"_id": "b", "error": {"type": "x"}}},
        ]});
        assert_eq!(filtered(&answer, paths), wanted);
        assert_eq!(
            filtered(&json!({"hits": {"hits": []}, "timed_out": false}), "timed_out,hits.hits._id"),
            json!({"timed_out": false})
        );
        assert_eq!(filtered(&answer, "nothing"), json!({}));
    }
}
