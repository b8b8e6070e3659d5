//! What a search asks for.

use serde_json::Value;

use super::mapping::{Kind, Mapping};
use super::query::{check_options, unknown};
use super::ranking::Order;
use super::refusal::Refusal;

/// `index.max_result_window`, by default.
const HITS_MAX: usize = 10_000;

/// The options of a search that are known.
const OPTIONS: [&str; 11] = [
    "query",
    "size",
    "from",
    "sort",
    "_source",
    "version",
    "seq_no_primary_term",
    "track_total_hits",
    "timeout",
    "pit",
    "search_after",
];

/// See the module's text.
#[derive(Debug)]
pub(super) struct SearchBody {
    pub(super) query: Option<Value>,
    pub(super) size: usize,
    pub(super) from: usize,
    /// `None`: by score, and nothing is said about it.
    pub(super) sort: Option<Value>,
    pub(super) source: SourceParts,
    pub(super) with_version: bool,
    pub(super) with_seq_no: bool,
    /// Up to how many hits are counted; `None`: not at all.
    pub(super) counted_max: Option<u64>,
    pub(super) point_in_time: Option<Value>,
    pub(super) after: Option<Value>,
}

/// Which parts of a document are shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SourceParts {
    None,
    All,
    /// Only these fields.
    Fields(Vec<String>),
}

impl SearchBody {
    /// The body of a request; an empty one asks for everything.
    pub(super) fn read(body: &[u8]) -> Result<Self, Refusal> {
        let body: Value = if body.is_empty() {
            Value::Object(serde_json::Map::new())
        } else {
            serde_json::from_slice(body)
                .map_err(|error| Refusal::new(400, "parsing_exception", error.to_string()))?
        };
        let options = body.as_object().ok_or_else(|| unknown("a search that is no object"))?;
        check_options(options, "search", &OPTIONS)?;
        let number = |name: &str, otherwise: usize| match options.get(name) {
            None => Ok(otherwise),
            Some(value) => value
                .as_u64()
                .and_then(|value| usize::try_from(value).ok())
                .ok_or_else(|| Refusal::illegal(format!("[{name}] must be a number from 0 up, was {value}"))),
        };
        let (size, from) = (number("size", 10)?, number("from", 0)?);
        if size.saturating_add(from) > HITS_MAX {
            return Err(Refusal::illegal(format!(
                "Result window is too large, from + size must be less than or equal to: [{HITS_MAX}] but was [{}]",
                size.saturating_add(from)
            )));
        }
        let is_set = |name: &str| options.get(name) == Some(&Value::Bool(true));
        Ok(Self {
            query: options.get("query").cloned(),
            size,
            from,
            sort: options.get("sort").cloned(),
            source: SourceParts::read(options.get("_source"))?,
            with_version: is_set("version"),
            with_seq_no: is_set("seq_no_primary_term"),
            counted_max: match options.get("track_total_hits") {
                None => Some(HITS_MAX as u64),
                Some(Value::Bool(all)) => all.then_some(u64::MAX),
                Some(number) => Some(number.as_u64().ok_or_else(|| unknown("that [track_total_hits]"))?),
            },
            point_in_time: options.get("pit").cloned(),
            after: options.get("search_after").cloned(),
        })
    }

    /// What the hits are ordered by.
    pub(super) fn order(&self, mapping: &Mapping) -> Result<Order, Refusal> {
        let keys: Vec<&Value> = match &self.sort {
            None => return Ok(Order::Score),
            Some(Value::Array(keys)) => keys.iter().collect(),
            Some(key) => vec![key],
        };
        // Ties are broken by `_doc`, so naming it behind another key changes nothing.
        match keys.as_slice() {
            [] => Ok(Order::Score),
            [key] => order_by(mapping, key),
            [key, last] if *last == "_doc" => order_by(mapping, key),
            _ => Err(unknown("[sort] by several fields")),
        }
    }
}

fn order_by(mapping: &Mapping, key: &Value) -> Result<Order, Refusal> {
    let (name, direction) = match key {
        Value::String(name) => (name.as_str(), None),
        key => {
            let (name, options) = super::query::only_entry(key, "sort")?;
            (name, options.as_str().or_else(|| options["order"].as_str()))
        }
    };
    let ascending = match direction {
        None => name != "_score",
        Some("asc") => true,
        Some("desc") => false,
        Some(other) => return Err(unknown(&format!("the order [{other}] of [sort]"))),
    };
    match (name, mapping.field(name)) {
        ("_doc" | "_shard_doc", _) if ascending => Ok(Order::Written),
        ("_score", _) if !ascending => Ok(Order::Score),
        (_, None) => {
            let reason = format!("No mapping found for [{name}] in order to sort on");
            Err(Refusal::new(400, "query_shard_exception", reason))
        }
        (_, Some(field)) => match field.kind {
            Kind::Date | Kind::EpochMillis | Kind::Long => {
                Ok(Order::Field { field: field.indexed, is_fraction: false, ascending })
            }
            Kind::Double => Ok(Order::Field { field: field.indexed, is_fraction: true, ascending }),
            kind => Err(unknown(&format!("[sort] by the field [{name}] of type {}", kind.name()))),
        },
    }
}

impl SourceParts {
    fn read(asked: Option<&Value>) -> Result<Self, Refusal> {
        let name = |value: &Value| match value.as_str() {
            Some(name) if !name.contains(['*', '.']) => Ok(name.to_owned()),
            _ => Err(unknown(&format!("[_source] of {value}: it knows names of whole fields"))),
        };
        match asked {
            None | Some(Value::Bool(true)) => Ok(Self::All),
            Some(Value::Bool(false)) => Ok(Self::None),
            Some(Value::Array(names)) => names.iter().map(name).collect::<Result<_, _>>().map(Self::Fields),
            Some(one) => Ok(Self::Fields(vec![name(one)?])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_named() {
        for (body, named) in [
            (r#"{"aggs":{}}"#, "[aggs] of [search]"),
            (r#"{"size":10001}"#, "Result window is too large"),
            (r#"{"size":-1}"#, "[size]"),
            (r#"{"_source":"a.*"}"#, "a.*"),
            ("[]", "no object"),
            ("{", "EOF"),
        ] {
            let refusal = SearchBody::read(body.as_bytes()).unwrap_err();
            assert!(refusal.status == 400 && refusal.reason.contains(named), "{}", refusal.reason);
        }
        let body = SearchBody::read(b"").unwrap();
        assert_eq!((body.size, body.from, body.source), (10, 0, SourceParts::All));
    }
}
