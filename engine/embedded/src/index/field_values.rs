//! A document, checked against the mapping and taken apart into what the full-text index takes.

use std::borrow::Cow;

use tantivy::TantivyDocument;

use super::dates;
use super::json_value::JsonValue;
use super::mapping::{Field, Kind, Mapping};
use super::refusal::Refusal;

/// Lucene's limit for one term.
const TERM_BYTES_MAX: usize = 32_766;
/// `depth_limit` of a flattened field, by default.
const FLATTENED_DEPTH_MAX: usize = 20;

/// What of the document is indexed.
///
/// # Errors
/// Why Elasticsearch would refuse it.
pub(super) fn indexed(mapping: &Mapping, id: &str, document: &str) -> Result<TantivyDocument, Refusal> {
    let parsed: JsonValue<'_> = serde_json::from_str(document)
        .map_err(|error| Refusal::parsing(format!("failed to parse: {error}")))?;
    let JsonValue::Object(entries) = parsed else {
        return Err(Refusal::parsing("Malformed content, must start with an object"));
    };
    let mut into = TantivyDocument::new();
    for (name, value) in &entries {
        let Some(field) = mapping.field(name) else {
            if mapping.ignores_unknown {
                continue;
            }
            let reason = format!(
                "mapping set to strict, dynamic introduction of [{name}] within [_doc] is not allowed"
            );
            return Err(Refusal::new(400, "strict_dynamic_mapping_exception", reason));
        };
        if add(field, value, &mut into).is_none() {
            let kind = field.kind.name();
            let reason =
                format!("failed to parse field [{name}] of type [{kind}] in document with id '{id}'");
            return Err(Refusal::parsing(reason));
        }
    }
    Ok(into)
}

/// Adds the field's values; `None` when it can't have such a value.
fn add(field: Field, value: &JsonValue<'_>, into: &mut TantivyDocument) -> Option<()> {
    match (field.kind, value) {
        (_, JsonValue::Null) => Some(()),
        (Kind::Flattened, JsonValue::Object(entries)) => add_entries(field, entries, &mut Vec::new(), into),
        (_, JsonValue::List(values)) => values.iter().try_for_each(|value| add(field, value, into)),
        (Kind::Flattened, _) | (_, JsonValue::Object(_)) => None,
        (Kind::Keyword, value) => {
            let text = value.as_indexed_text().filter(|text| text.len() <= TERM_BYTES_MAX)?;
            into.add_text(field.indexed, text);
            Some(())
        }
        (Kind::Text, value) => {
            into.add_text(field.indexed, value.as_indexed_text()?);
            Some(())
        }
        (Kind::Boolean, value) => {
            into.add_bool(field.indexed, boolean(value)?);
            Some(())
        }
        (Kind::Double, value) => {
            into.add_f64(field.indexed, fraction(value)?);
            Some(())
        }
        (kind @ (Kind::Date | Kind::EpochMillis | Kind::Long), value) => {
            into.add_i64(field.indexed, whole(kind, value)?);
            Some(())
        }
    }
}

/// A flattened field's leaf, as the term under which it is found.
pub(super) fn flattened_term(path: &str, value: &str) -> String {
    format!("{path}\0{value}")
}

fn add_entries<'v>(
    field: Field,
    entries: &'v [(Cow<'_, str>, JsonValue<'_>)],
    path: &mut Vec<&'v str>,
    into: &mut TantivyDocument,
) -> Option<()> {
    if path.len() >= FLATTENED_DEPTH_MAX {
        return None;
    }
    for (key, value) in entries {
        if key.contains('\0') {
            return None;
        }
        path.push(key);
        add_leaf(field, value, path, into)?;
        path.pop();
    }
    Some(())
}

fn add_leaf<'v>(
    field: Field,
    value: &'v JsonValue<'_>,
    path: &mut Vec<&'v str>,
    into: &mut TantivyDocument,
) -> Option<()> {
    match value {
        JsonValue::Null => Some(()),
        JsonValue::Object(entries) => add_entries(field, entries, path, into),
        JsonValue::List(values) => values.iter().try_for_each(|value| add_leaf(field, value, path, into)),
        value => {
            let term = flattened_term(&path.join("."), &value.as_indexed_text()?);
            into.add_text(field.indexed, &term);
            (term.len() <= TERM_BYTES_MAX).then_some(())
        }
    }
}

/// The truth that a value says.
pub(super) fn boolean(value: &JsonValue<'_>) -> Option<bool> {
    match value {
        JsonValue::Bool(value) => Some(*value),
        JsonValue::Text(text) => match &**text {
            "true" => Some(true),
            "false" | "" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// The number or date that a value says.
pub(super) fn whole(kind: Kind, value: &JsonValue<'_>) -> Option<i64> {
    match (kind, value) {
        (Kind::EpochMillis, JsonValue::Whole(ms)) => Some(*ms),
        (Kind::EpochMillis, JsonValue::Text(text)) => dates::epoch_ms(text),
        // A number of four digits is a year.
        (Kind::Date, JsonValue::Whole(number)) => dates::date_ms(&number.to_string()),
        (Kind::Date, JsonValue::Text(text)) => dates::date_ms(text),
        (Kind::Date | Kind::EpochMillis | Kind::Long, JsonValue::Fraction(value)) => {
            // What does not fit is cut to the nearest that does.
            value.is_finite().then_some(*value as i64)
        }
        (Kind::Long, JsonValue::Whole(value)) => Some(*value),
        (Kind::Long, JsonValue::Text(text)) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The number that a value says.
pub(super) fn fraction(value: &JsonValue<'_>) -> Option<f64> {
    match value {
        JsonValue::Whole(value) => Some(*value as f64),
        JsonValue::Fraction(value) => Some(*value),
        JsonValue::Text(text) => text.trim().parse().ok().filter(|value: &f64| value.is_finite()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tantivy::schema::Value as _;

    /// What becomes of a document; the contract suite knows every rule, this is about what is indexed.
    #[test]
    fn flattened_leaves_are_found_by_their_path() {
        let body = json!({"dynamic": "strict", "properties": {"m": {"type": "flattened"}}});
        let (mapping, _) = Mapping::new(body.as_object().cloned().unwrap()).unwrap();
        let document = indexed(&mapping, "1", r#"{"m":{"a":{"b":[1,"x"]},"c":true,"d":null}}"#).unwrap();
        let terms: Vec<_> =
            document.field_values().map(|(_, value)| value.as_str().unwrap_or_default().to_owned()).collect();
        assert_eq!(
            terms,
            [flattened_term("a.b", "1"), flattened_term("a.b", "x"), flattened_term("c", "true")]
        );
    }
}
