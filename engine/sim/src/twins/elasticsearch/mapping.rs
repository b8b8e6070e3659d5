//! The mapping: what documents may hold. Strict, for the field types our flows use.

use serde_json::{Map, Value};

use super::answers::Refusal;
use super::document::Node;

/// Lucene's limit for one term.
const TERM_BYTES_MAX: usize = 32_766;
/// `depth_limit` of a flattened field, by default.
const FLATTENED_DEPTH_MAX: usize = 20;

#[derive(Debug, Clone)]
pub(super) struct Mapping {
    /// As given at creation; `_meta` may change.
    pub(super) body: Value,
}

/// A document that may be stored.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) source: String,
    pub(super) deleted: bool,
    pub(super) deleted_at_ms: Option<i64>,
}

impl Mapping {
    fn properties(&self) -> Option<&Map<String, Value>> {
        self.body["properties"].as_object()
    }

    /// Checks a document against the mapping.
    pub(super) fn check(&self, id: &str, document: &[u8]) -> Result<Checked, Refusal> {
        let parsing = |what: String| Refusal::new(400, "document_parsing_exception", what);
        let source = std::str::from_utf8(document).map_err(|error| parsing(error.to_string()))?;
        let node: Node =
            serde_json::from_str(source).map_err(|error| parsing(format!("failed to parse: {error}")))?;
        let Node::Object(fields) = node else {
            return Err(parsing("Malformed content, must start with an object".into()));
        };
        let mut checked = Checked { source: source.to_owned(), deleted: false, deleted_at_ms: None };
        for (name, value) in &fields {
            let Some(field) = self.properties().and_then(|properties| properties.get(name)) else {
                let reason = format!(
                    "mapping set to strict, dynamic introduction of [{name}] within [_doc] is not allowed"
                );
                return Err(Refusal::new(400, "strict_dynamic_mapping_exception", reason));
            };
            let kind = field["type"].as_str().unwrap_or_default();
            // A type of our own for the one format we use besides the default.
            let kind = if field["format"] == "epoch_millis" { "epoch_millis" } else { kind };
            if !fits(kind, value) {
                return Err(parsing(format!(
                    "failed to parse field [{name}] of type [{kind}] in document with id '{id}'"
                )));
            }
            match (name.as_str(), value) {
                ("deleted", Node::Bool(deleted)) => checked.deleted = *deleted,
                ("deletedAt", Node::Integer(at_ms)) => checked.deleted_at_ms = Some(*at_ms),
                _ => {}
            }
        }
        Ok(checked)
    }
}

fn fits(kind: &str, value: &Node) -> bool {
    match (kind, value) {
        (_, Node::Null) => true,
        ("flattened", Node::Object(entries)) => flattened_fits(entries, 1),
        (_, Node::List(values)) => values.iter().all(|value| fits(kind, value)),
        ("flattened", _) | (_, Node::Object(_)) => false,
        ("keyword", Node::Text(text)) => text.len() <= TERM_BYTES_MAX,
        ("boolean", Node::Bool(_)) => true,
        ("boolean", Node::Text(text)) => matches!(text.as_str(), "" | "true" | "false"),
        ("boolean", _) | ("date" | "epoch_millis", Node::Bool(_)) => false,
        ("epoch_millis", Node::Text(text)) => is_epoch_millis(text),
        ("date", Node::Text(text)) => is_date(text),
        _ => true,
    }
}

fn flattened_fits(entries: &[(String, Node)], depth: usize) -> bool {
    depth <= FLATTENED_DEPTH_MAX
        && entries.iter().all(|(key, value)| !key.contains('\0') && leaf_fits(key, value, depth))
}

fn leaf_fits(key: &str, value: &Node, depth: usize) -> bool {
    match value {
        Node::Object(entries) => flattened_fits(entries, depth + 1),
        Node::List(values) => values.iter().all(|value| leaf_fits(key, value, depth)),
        Node::Text(text) => text.len() + key.len() < TERM_BYTES_MAX,
        _ => true,
    }
}

/// `strict_date_optional_time||epoch_millis`, Elasticsearch's default.
fn is_date(text: &str) -> bool {
    is_epoch_millis(text) || is_date_optional_time(text)
}

fn is_epoch_millis(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits =
        |text: &str| (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && (fraction.is_empty() || digits(fraction))
}

fn is_date_optional_time(text: &str) -> bool {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let parts: Vec<&str> = date.split('-').collect();
    let lens: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let numbers: Option<Vec<u32>> = parts.iter().map(|part| number(part)).collect();
    let Some(numbers) = numbers else { return false };
    let date_is_good = match (&lens[..], &numbers[..]) {
        ([4], [_]) => true,
        ([4, 2], [_, month]) => (1..=12).contains(month),
        ([4, 2, 2], [year, month, day]) => (1..=days(*year, *month)).contains(day),
        _ => false,
    };
    date_is_good && time.is_none_or(|time| time.is_empty() || is_time(time))
}

fn days(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => 0,
    }
}

fn is_time(text: &str) -> bool {
    let zone_start = text.find(['Z', '+', '-']).unwrap_or(text.len());
    let (clock, zone) = text.split_at(zone_start);
    let (clock, fraction) = match clock.split_once(['.', ',']) {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (clock, None),
    };
    let parts: Vec<&str> = clock.split(':').collect();
    let in_range = parts
        .iter()
        .zip([24, 60, 60])
        .all(|(part, below)| part.len() == 2 && number(part).is_some_and(|number| number < below));
    let fraction_is_good = fraction.is_none_or(|fraction| {
        parts.len() == 3 && (1..=9).contains(&fraction.len()) && number(fraction).is_some()
    });
    (1..=3).contains(&parts.len()) && in_range && fraction_is_good && is_zone(zone)
}

fn is_zone(zone: &str) -> bool {
    if zone.is_empty() || zone == "Z" {
        return true;
    }
    let digits = zone[1..].replace(':', "");
    matches!(digits.len(), 2 | 4)
        && number(&digits[..2]).is_some_and(|hours| hours <= 18)
        && number(&digits).is_some()
}

fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && !text.is_empty()).then(|| text.parse().ok()).flatten()
}
