//! Which documents the index can't take: its mapping is `timestamp` a date, `content` a text, `metadata`
//! flattened, the other fields keywords. The limits are what Elasticsearch 8.19 was measured to do with such a
//! mapping and no further settings.

use super::timestamp::is_date;
use serde_json::{Map, Value};

/// Lucene's longest term.
const TERM_BYTES_MAX: usize = 32_766;
/// `depth_limit` of a flattened field; lists don't count.
const FLATTENED_OBJECTS_MAX: usize = 20;

const KEYWORDS: [&str; 4] = ["id", "conversationId", "senderId", "tenantId"];

/// Whether the index takes this document.
#[must_use]
pub fn takes(document: &Map<String, Value>) -> bool {
    let text = |field: &str| document.get(field).and_then(Value::as_str).unwrap_or_default();
    is_date(text("timestamp"))
        && KEYWORDS.iter().all(|field| text(field).len() <= TERM_BYTES_MAX)
        && document.get("metadata").is_none_or(|metadata| flattens(metadata, 0, 0))
}

/// `path_bytes` is the length of the keys above, joined with points.
fn flattens(value: &Value, objects: usize, path_bytes: usize) -> bool {
    match value {
        Value::Object(members) => {
            objects < FLATTENED_OBJECTS_MAX
                && members.iter().all(|(key, member)| {
                    let separator = usize::from(objects > 0);
                    !key.contains('\0') && flattens(member, objects + 1, path_bytes + separator + key.len())
                })
        }
        Value::Array(items) => items.iter().all(|item| flattens(item, objects, path_bytes)),
        // A leaf is indexed with its path and a separator before it.
        Value::String(text) => path_bytes + 1 + text.len() <= TERM_BYTES_MAX,
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) => path_bytes + 1 + value.to_string().len() <= TERM_BYTES_MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(field: &str, value: &Value) -> Map<String, Value> {
        let mut document = Map::new();
        document.insert("timestamp".to_owned(), json!("2023-08-15T10:30:00Z"));
        document.insert(field.to_owned(), value.clone());
        document
    }

    #[test]
    fn limits_are_those_of_elasticsearch() {
        let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!({ "a": inner }));
        let listed = |levels| (0..levels).fold(json!(1), |inner, _| json!([{ "a": inner }]));
        for (field, value, taken) in [
            ("metadata", nested(20), true),
            ("metadata", nested(21), false),
            ("metadata", json!({ "a": listed(19) }), true),
            ("metadata", json!({ "a": listed(20) }), false),
            ("metadata", json!({ "a": (0..100).fold(json!(1), |inner, _| json!([inner])) }), true),
            ("metadata", json!({ "a\0b": 1 }), false),
            ("metadata", json!({ "a": "x\0y", "": 1, ".": null }), true),
            ("metadata", json!({ "ab": "x".repeat(32_763) }), true),
            ("metadata", json!({ "ab": "x".repeat(32_764) }), false),
            ("metadata", json!({ ("k".repeat(33_000)): 1 }), false),
            ("senderId", json!("é".repeat(16_383)), true),
            ("senderId", json!("é".repeat(16_384)), false),
            ("content", json!("x".repeat(1_000_000)), true),
            ("timestamp", json!("not-a-date"), false),
        ] {
            let start: String = value.to_string().chars().take(80).collect();
            assert_eq!(takes(&document(field, &value)), taken, "{field} {start}");
        }
    }
}
