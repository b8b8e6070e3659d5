//! `match` and `multi_match`: what holds the words of a text.

use serde_json::Value;
use tantivy::Term;
use tantivy::query::{BooleanQuery, BoostQuery, DisjunctionMaxQuery, EmptyQuery, Occur, Query, TermQuery};
use tantivy::schema::IndexRecordOption;

use super::mapping::{Field, Kind, Mapping};
use super::query::{Parsed, check_options, exactly, field, only_entry, unknown};
use super::refusal::Refusal;
use super::words;

/// What one field holds.
pub(super) fn one_field(mapping: &Mapping, what: &Value) -> Parsed {
    let (name, asked) = only_entry(what, "match")?;
    let Some(options) = asked.as_object() else {
        return in_field(mapping, name, asked, Occur::Should);
    };
    check_options(options, "match", &["query", "operator"])?;
    in_field(mapping, name, &asked["query"], operator(options.get("operator"))?)
}

/// What any of several fields holds; the best one scores.
pub(super) fn many_fields(mapping: &Mapping, what: &Value) -> Parsed {
    let options = what.as_object().ok_or_else(|| unknown("[multi_match] without a query"))?;
    check_options(options, "multi_match", &["query", "fields", "operator", "type"])?;
    let kind = options.get("type").map_or("best_fields", |kind| kind.as_str().unwrap_or_default());
    if !matches!(kind, "best_fields" | "most_fields") {
        return Err(unknown(&format!("the type [{kind}] of [multi_match]")));
    }
    let (text, operator) = (&what["query"], operator(options.get("operator"))?);
    let queries: Vec<_> = match options.get("fields") {
        None => {
            let words = words_of(text)?;
            mapping.text_fields().map(|field| of_words(field, &words, operator)).collect()
        }
        Some(Value::Array(names)) => names
            .iter()
            .map(|name| in_boosted_field(mapping, name.as_str().unwrap_or_default(), text, operator))
            .collect::<Result<_, _>>()?,
        Some(other) => return Err(unknown(&format!("[fields] that are no list: {other}"))),
    };
    Ok(match kind {
        "most_fields" => Box::new(BooleanQuery::union(queries)),
        _ => Box::new(DisjunctionMaxQuery::new(queries)),
    })
}

/// Whether every word must be there, or any.
pub(super) fn operator(operator: Option<&Value>) -> Result<Occur, Refusal> {
    let operator = operator.map(|operator| operator.as_str().unwrap_or_default().to_ascii_lowercase());
    match operator.as_deref() {
        None | Some("or") => Ok(Occur::Should),
        Some("and") => Ok(Occur::Must),
        Some(other) => Err(unknown(&format!("the operator [{other}]"))),
    }
}

/// A field named as `content^2`.
fn in_boosted_field(mapping: &Mapping, name: &str, text: &Value, operator: Occur) -> Parsed {
    let Some((name, boost)) = name.split_once('^') else { return in_field(mapping, name, text, operator) };
    let boost = boost.parse::<f32>().map_err(|_| unknown(&format!("the boost [{boost}] of [{name}]")))?;
    Ok(Box::new(BoostQuery::new(in_field(mapping, name, text, operator)?, boost)))
}

fn in_field(mapping: &Mapping, name: &str, text: &Value, operator: Occur) -> Parsed {
    match field(mapping, name) {
        Some((field, _)) if field.kind == Kind::Text => Ok(of_words(field, &words_of(text)?, operator)),
        _ => exactly(mapping, name, text),
    }
}

fn of_words(field: Field, words: &[String], operator: Occur) -> Box<dyn Query> {
    if words.is_empty() {
        return Box::new(EmptyQuery);
    }
    let found = words.iter().map(|word| {
        let term = Term::from_field_text(field.indexed, word);
        (operator, Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)) as Box<dyn Query>)
    });
    Box::new(BooleanQuery::new(found.collect()))
}

/// The words of what is asked for.
fn words_of(text: &Value) -> Result<Vec<String>, Refusal> {
    match text {
        Value::String(text) => words::of(text),
        Value::Number(_) | Value::Bool(_) => words::of(&text.to_string()),
        _ => Err(unknown("[match] without a text")),
    }
}
