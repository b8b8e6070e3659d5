//! Merging documents: one object's changes over another's.

use std::borrow::Cow;

use super::document::Field;
use super::entries::Entries;
use super::json;

/// What `_source` of a base turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Merged {
    /// The merged document was appended.
    Document,
    /// The base is a tombstone: the document has been removed.
    Tombstone,
    /// The base is no JSON object, so there is nothing to merge with.
    Unreadable,
}

/// Appends, as one line, `base` with `fields` changed; what becomes of each is said at [`Field::merge`].
pub(super) fn merge<'f>(base: &str, fields: impl Iterator<Item = Field<'f>>, into: &mut Vec<u8>) -> Merged {
    let Some(mut entries) = Entries::parse(base) else { return Merged::Unreadable };
    if entries.get("deleted") == Some("true") {
        return Merged::Tombstone;
    }
    for field in fields {
        let value = merged_value(entries.get(field.name), &field);
        entries.set(Cow::Borrowed(field.name), value);
    }
    let start = into.len();
    entries.write(into);
    json::join_lines(&mut into[start..]);
    Merged::Document
}

fn merged_value<'f>(old: Option<&str>, field: &Field<'f>) -> Cow<'f, str> {
    let parsed = || Entries::parse(field.json);
    let Some(changes) = field.merge.then(parsed).flatten() else { return Cow::Borrowed(field.json) };
    let mut merged = old.and_then(Entries::parse).unwrap_or_default();
    for (key, value) in changes.iter() {
        merged.set(Cow::Borrowed(key), Cow::Borrowed(value));
    }
    let mut text = Vec::new();
    merged.write(&mut text);
    String::from_utf8(text).map_or(Cow::Borrowed(field.json), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn merged(base: &Value, fields: &[(&str, &str, bool)]) -> Value {
        let mut out = Vec::new();
        let fields = fields.iter().map(|&(name, json, merge)| Field { name, json, merge });
        assert_eq!(merge(&base.to_string(), fields, &mut out), Merged::Document);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn fields_replace_and_objects_merge_one_level_deep() {
        let base = json!({"id": "1", "content": "old", "metadata": {"a": 1, "b": {"x": 1}, "c": 3}});
        let changes = [("content", "\"new\"", false), ("metadata", r#"{"b":{"y":2},"c":null,"d":4}"#, true)];
        let wanted =
            json!({"id": "1", "content": "new", "metadata": {"a": 1, "b": {"y": 2}, "c": null, "d": 4}});
        assert_eq!(merged(&base, &changes), wanted);
    }

    #[test]
    fn what_is_no_object_replaces_and_is_replaced() {
        assert_eq!(merged(&json!({"m": {"a": 1}}), &[("m", "null", true)]), json!({"m": null}));
        assert_eq!(merged(&json!({"m": null}), &[("m", r#"{"a":1}"#, true)]), json!({"m": {"a": 1}}));
        assert_eq!(merged(&json!({}), &[("m", r#"{"a":1}"#, true)]), json!({"m": {"a": 1}}));
    }

    #[test]
    fn keys_are_the_same_however_they_are_escaped_and_the_last_counts() {
        let base = json!({"m": {"a": 1, "\u{7}": 1}});
        let changes = [("m", r#"{"\u0061":2,"a":3,"\u0007":4}"#, true)];
        assert_eq!(merged(&base, &changes), json!({"m": {"a": 3, "\u{7}": 4}}));
    }

    #[test]
    fn many_keys_merge_like_few() {
        let object = |from: usize, to: usize, value: usize| -> serde_json::Map<String, Value> {
            (from..to).map(|key| (format!("k{key}"), json!(value))).collect()
        };
        let changes = Value::Object(object(50, 20_000, 2)).to_string();
        let mut wanted = object(0, 50, 1);
        wanted.extend(object(50, 20_000, 2));
        let base = json!({"m": object(0, 100, 1)});
        assert_eq!(merged(&base, &[("m", &changes, true)]), json!({"m": wanted}));
    }

    #[test]
    fn values_survive_byte_by_byte() {
        let mut out = Vec::new();
        let base = r#"{"n":1.10,"big":12345678901234567890123,"s":"\ud800"}"#;
        assert_eq!(merge(base, std::iter::empty(), &mut out), Merged::Document);
        assert_eq!(out, base.as_bytes());
    }

    #[test]
    fn deep_values_pass_without_recursion() {
        let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
        let mut out = Vec::new();
        let field = Field { name: "m", json: &format!("{{\"a\":{deep}}}"), merge: true };
        assert_eq!(merge("{\"m\":{}}", std::iter::once(field), &mut out), Merged::Document);
        assert_eq!(out.len(), deep.len() + 12);
    }

    #[test]
    fn tombstones_and_strange_bases_are_told_apart() {
        let tell = |base| merge(base, std::iter::empty(), &mut Vec::new());
        assert_eq!(tell(r#"{"deleted":true,"deletedAt":5}"#), Merged::Tombstone);
        assert_eq!(tell(r#"{"deleted":false}"#), Merged::Document);
        assert_eq!(tell("[]"), Merged::Unreadable);
        assert_eq!(tell("{\"a\":1} x"), Merged::Unreadable);
    }
}
