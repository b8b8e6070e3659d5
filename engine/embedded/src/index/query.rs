//! Elasticsearch's query language, as far as it is known here, to queries of the full-text index.

use std::ops::Bound;

use serde_json::{Map, Value};
use tantivy::Term;
use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, EmptyQuery, FuzzyTermQuery, Occur, Query,
    RangeQuery, TermQuery,
};
use tantivy::schema::IndexRecordOption;

use super::field_values;
use super::json_value::JsonValue;
use super::mapping::{Field, Kind, Mapping};
use super::match_query;
use super::refusal::Refusal;
use super::simple_query;

pub(super) type Parsed = Result<Box<dyn Query>, Refusal>;

const KNOWN: &str =
    "match_all, match_none, match, multi_match, term, terms, prefix, range, bool and constant_score";

/// The query that this part of a request asks for.
pub(super) fn parse(mapping: &Mapping, query: &Value) -> Parsed {
    let (name, what) = only_entry(query, "query")?;
    match name {
        "match_all" => Ok(Box::new(ConstScoreQuery::new(Box::new(AllQuery), 1.0))),
        "match_none" => Ok(Box::new(EmptyQuery)),
        "match" => match_query::one_field(mapping, what),
        "multi_match" => match_query::many_fields(mapping, what),
        "simple_query_string" => simple_query::parse(mapping, what),
        "term" => term(mapping, what),
        "terms" => terms(mapping, what),
        "prefix" => prefix(mapping, what),
        "range" => range(mapping, what),
        "bool" => boolean(mapping, what),
        "constant_score" => Ok(Box::new(ConstScoreQuery::new(parse(mapping, &what["filter"])?, 1.0))),
        other => Err(unknown(&format!("the query [{other}]: it knows {KNOWN}"))),
    }
}

/// A filter and a query: what matches both, scored by the query alone.
pub(super) fn filtered(mapping: &Mapping, filter: Option<&Value>, query: Option<&Value>) -> Parsed {
    let query = query.map_or_else(
        || parse(mapping, &serde_json::json!({"match_all": {}})),
        |query| parse(mapping, query),
    )?;
    let Some(filter) = filter else { return Ok(query) };
    let filter = unscored(parse(mapping, filter)?);
    Ok(Box::new(BooleanQuery::new(vec![(Occur::Must, query), (Occur::Must, filter)])))
}

fn unscored(query: Box<dyn Query>) -> Box<dyn Query> {
    Box::new(ConstScoreQuery::new(query, 0.0))
}

pub(super) fn unknown(what: &str) -> Refusal {
    Refusal::new(400, "parsing_exception", format!("the embedded index does not know {what}"))
}

/// The one entry of an object.
pub(super) fn only_entry<'q>(object: &'q Value, what: &str) -> Result<(&'q str, &'q Value), Refusal> {
    let entries =
        object.as_object().filter(|entries| entries.len() == 1).and_then(|entries| entries.iter().next());
    let (name, value) = entries
        .ok_or_else(|| Refusal::new(400, "parsing_exception", format!("[{what}] must have one entry")))?;
    Ok((name, value))
}

/// Refuses options that are not among the known.
pub(super) fn check_options(options: &Map<String, Value>, what: &str, known: &[&str]) -> Result<(), Refusal> {
    match options.keys().find(|option| !known.contains(&option.as_str())) {
        Some(option) => Err(unknown(&format!("[{option}] of [{what}]"))),
        None => Ok(()),
    }
}

/// A field by its name, and the path below it, if it is flattened.
pub(super) fn field<'n>(mapping: &Mapping, name: &'n str) -> Option<(Field, &'n str)> {
    if let Some(field) = mapping.field(name).filter(|field| field.kind != Kind::Flattened) {
        return Some((field, ""));
    }
    let (parent, path) = name.split_once('.')?;
    mapping.field(parent).filter(|field| field.kind == Kind::Flattened).map(|field| (field, path))
}

/// What has exactly this value. A field that does not exist has none.
pub(super) fn exactly(mapping: &Mapping, name: &str, value: &Value) -> Parsed {
    let text = value.to_string();
    let value: JsonValue<'_> = serde_json::from_str(&text).map_err(|error| unknown(&error.to_string()))?;
    let bad =
        || Refusal::illegal(format!("failed to create query: [{text}] is no value of the field [{name}]"));
    let Some((field, path)) = field(mapping, name) else {
        return match mapping.field(name) {
            Some(_) => {
                Err(unknown(&format!("queries of a whole flattened field: name a key, as [{name}.key]")))
            }
            None => Ok(Box::new(EmptyQuery)),
        };
    };
    let same = |term: Term| -> Box<dyn Query> { Box::new(TermQuery::new(term, IndexRecordOption::Basic)) };
    let between = |term: Term| -> Box<dyn Query> {
        Box::new(RangeQuery::new(Bound::Included(term.clone()), Bound::Included(term)))
    };
    let indexed = field.indexed;
    Ok(match field.kind {
        Kind::Keyword | Kind::Text => {
            same(Term::from_field_text(indexed, &value.as_indexed_text().ok_or_else(bad)?))
        }
        Kind::Flattened => {
            let term = field_values::flattened_term(path, &value.as_indexed_text().ok_or_else(bad)?);
            same(Term::from_field_text(indexed, &term))
        }
        Kind::Boolean => same(Term::from_field_bool(indexed, field_values::boolean(&value).ok_or_else(bad)?)),
        Kind::Double => {
            between(Term::from_field_f64(indexed, field_values::fraction(&value).ok_or_else(bad)?))
        }
        kind => between(Term::from_field_i64(indexed, field_values::whole(kind, &value).ok_or_else(bad)?)),
    })
}

fn term(mapping: &Mapping, what: &Value) -> Parsed {
    let (name, value) = only_entry(what, "term")?;
    let Some(options) = value.as_object() else { return exactly(mapping, name, value) };
    check_options(options, "term", &["value", "boost"])?;
    boosted(exactly(mapping, name, &value["value"])?, options)
}

fn boosted(query: Box<dyn Query>, options: &Map<String, Value>) -> Parsed {
    Ok(match options.get("boost").and_then(Value::as_f64) {
        Some(boost) => Box::new(BoostQuery::new(query, boost as f32)),
        None => query,
    })
}

fn terms(mapping: &Mapping, what: &Value) -> Parsed {
    let (name, values) = only_entry(what, "terms")?;
    let values = values.as_array().ok_or_else(|| unknown("[terms] without a list"))?;
    let any: Result<Vec<_>, Refusal> = values.iter().map(|value| exactly(mapping, name, value)).collect();
    Ok(Box::new(ConstScoreQuery::new(Box::new(BooleanQuery::union(any?)), 1.0)))
}

fn prefix(mapping: &Mapping, what: &Value) -> Parsed {
    let (name, value) = only_entry(what, "prefix")?;
    let text = value
        .as_str()
        .or_else(|| value["value"].as_str())
        .ok_or_else(|| unknown("[prefix] without a text"))?;
    match field(mapping, name) {
        None => Ok(Box::new(EmptyQuery)),
        Some((Field { kind: Kind::Keyword | Kind::Text, indexed }, _)) => {
            let term = Term::from_field_text(indexed, text);
            Ok(Box::new(ConstScoreQuery::new(Box::new(FuzzyTermQuery::new_prefix(term, 0, false)), 1.0)))
        }
        Some((field, _)) => Err(unknown(&format!("[prefix] of a {} field", field.kind.name()))),
    }
}

fn range(mapping: &Mapping, what: &Value) -> Parsed {
    let (name, limits) = only_entry(what, "range")?;
    let limits = limits.as_object().ok_or_else(|| unknown("[range] without limits"))?;
    check_options(limits, "range", &["gt", "gte", "lt", "lte", "format"])?;
    let Some((field, _)) = field(mapping, name) else { return Ok(Box::new(EmptyQuery)) };
    let kind = match (field.kind, limits.get("format").and_then(Value::as_str)) {
        (Kind::Date | Kind::EpochMillis, Some("epoch_millis")) => Kind::EpochMillis,
        (kind @ (Kind::Date | Kind::EpochMillis | Kind::Long | Kind::Double), None) => kind,
        (_, Some(format)) => return Err(unknown(&format!("the format [{format}] of [range]"))),
        (kind, None) => return Err(unknown(&format!("[range] of a {} field", kind.name()))),
    };
    let limit = |value: &Value| {
        let text = value.to_string();
        let parsed = serde_json::from_str::<JsonValue<'_>>(&text).ok();
        let term = parsed.and_then(|value| match kind {
            Kind::Double => {
                field_values::fraction(&value).map(|value| Term::from_field_f64(field.indexed, value))
            }
            kind => field_values::whole(kind, &value).map(|value| Term::from_field_i64(field.indexed, value)),
        });
        term.ok_or_else(|| Refusal::illegal(format!("[{text}] is no limit for the field [{name}]")))
    };
    let bound = |inclusive: &str, exclusive: &str| match (limits.get(inclusive), limits.get(exclusive)) {
        (Some(value), _) => limit(value).map(Bound::Included),
        (None, Some(value)) => limit(value).map(Bound::Excluded),
        (None, None) => Ok(Bound::Unbounded),
    };
    let (low, high) = (bound("gte", "gt")?, bound("lte", "lt")?);
    if matches!((&low, &high), (Bound::Unbounded, Bound::Unbounded)) {
        return Err(unknown("[range] without limits"));
    }
    Ok(Box::new(ConstScoreQuery::new(Box::new(RangeQuery::new(low, high)), 1.0)))
}

fn boolean(mapping: &Mapping, what: &Value) -> Parsed {
    let options = what.as_object().ok_or_else(|| unknown("[bool] without clauses"))?;
    check_options(options, "bool", &["must", "filter", "should", "must_not", "minimum_should_match"])?;
    let clauses = |name: &str| -> Result<Vec<Box<dyn Query>>, Refusal> {
        match options.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(queries)) => queries.iter().map(|query| parse(mapping, query)).collect(),
            Some(query) => Ok(vec![parse(mapping, query)?]),
        }
    };
    let mut all: Vec<(Occur, Box<dyn Query>)> =
        clauses("must")?.into_iter().map(|query| (Occur::Must, query)).collect();
    all.extend(clauses("filter")?.into_iter().map(|query| (Occur::Must, unscored(query))));
    let should = clauses("should")?;
    let least = match options.get("minimum_should_match").map(|least| (least, least.as_u64())) {
        None => u64::from(all.is_empty()),
        Some((_, Some(least))) => least,
        Some((other, None)) => return Err(unknown(&format!("minimum_should_match [{other}]"))),
    };
    let must_not = clauses("must_not")?;
    if all.is_empty() && should.is_empty() {
        // What nothing asks for matches everything, but for what must not be.
        all.push((Occur::Must, unscored(Box::new(AllQuery))));
    }
    if !should.is_empty() {
        let least = usize::try_from(least).unwrap_or(usize::MAX);
        let any = should.into_iter().map(|query| (Occur::Should, query)).collect();
        let occur = if least == 0 { Occur::Should } else { Occur::Must };
        all.push((occur, Box::new(BooleanQuery::with_minimum_required_clauses(any, least.max(1)))));
        if least == 0 && all.len() == 1 {
            all.push((Occur::Must, unscored(Box::new(AllQuery))));
        }
    }
    all.extend(must_not.into_iter().map(|query| (Occur::MustNot, query)));
    Ok(Box::new(BooleanQuery::new(all)))
}
