//! `simple_query_string`: what people type. No text is an error.
//!
//! Known are words, the beginnings of words (`begin*`), phrases in quotes, what must not be (`-word`) and alternatives
//! (`|`). Parentheses and `~` are taken for spaces.

use serde_json::Value;
use tantivy::Term;
use tantivy::query::{
    AllQuery, BooleanQuery, EmptyQuery, FuzzyTermQuery, Occur, PhraseQuery, Query, TermQuery,
};
use tantivy::schema::IndexRecordOption;

use super::mapping::{Field, Kind, Mapping};
use super::match_query::operator;
use super::query::{Parsed, check_options, field, unknown};
use super::refusal::Refusal;
use super::words;

/// One thing that is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Part<'t> {
    Word(&'t str),
    Beginning(&'t str),
    Phrase(&'t str),
    Or,
}

pub(super) fn parse(mapping: &Mapping, what: &Value) -> Parsed {
    let options = what.as_object().ok_or_else(|| unknown("[simple_query_string] without a query"))?;
    check_options(options, "simple_query_string", &["query", "fields", "default_operator"])?;
    let text = what["query"].as_str().ok_or_else(|| unknown("[simple_query_string] without a text"))?;
    let occur = operator(options.get("default_operator"))?;
    let fields = fields_of(mapping, options.get("fields"))?;
    // Alternatives bind weaker than what stands side by side.
    let (mut alternatives, mut clauses) = (Vec::new(), Vec::new());
    for (excluded, part) in parts(text) {
        if part == Part::Or {
            alternatives.push(std::mem::take(&mut clauses));
        } else if let Some(query) = in_any(&fields, &part, occur)? {
            clauses.push((if excluded { Occur::MustNot } else { occur }, query));
        }
    }
    alternatives.push(clauses);
    let alternatives: Vec<_> =
        alternatives.into_iter().filter(|clauses| !clauses.is_empty()).map(all_of).collect();
    Ok(if alternatives.is_empty() {
        Box::new(EmptyQuery)
    } else {
        Box::new(BooleanQuery::union(alternatives))
    })
}

fn fields_of(mapping: &Mapping, names: Option<&Value>) -> Result<Vec<Field>, Refusal> {
    match names {
        None => Ok(mapping.text_fields().collect()),
        Some(Value::Array(names)) => {
            let found = names.iter().filter_map(|name| field(mapping, name.as_str().unwrap_or_default()));
            found
                .map(|(field, _)| match field.kind {
                    Kind::Text => Ok(field),
                    kind => Err(unknown(&format!("[simple_query_string] over a {} field", kind.name()))),
                })
                .collect()
        }
        Some(other) => Err(unknown(&format!("[fields] that are no list: {other}"))),
    }
}

fn all_of(mut clauses: Vec<(Occur, Box<dyn Query>)>) -> Box<dyn Query> {
    if clauses.iter().all(|(occur, _)| *occur == Occur::MustNot) {
        clauses.push((Occur::Must, Box::new(AllQuery)));
    }
    Box::new(BooleanQuery::new(clauses))
}

/// What one of the fields has; `None` when there is no word in it.
fn in_any(fields: &[Field], part: &Part<'_>, occur: Occur) -> Result<Option<Box<dyn Query>>, Refusal> {
    let (Part::Word(text) | Part::Beginning(text) | Part::Phrase(text)) = part else { return Ok(None) };
    let words = words::of(text)?;
    if words.is_empty() {
        return Ok(None);
    }
    let queries = fields.iter().map(|field| in_field(*field, part, &words, occur)).collect();
    Ok(Some(Box::new(BooleanQuery::union(queries))))
}

fn in_field(field: Field, part: &Part<'_>, words: &[String], occur: Occur) -> Box<dyn Query> {
    let mut terms: Vec<Term> = words.iter().map(|word| Term::from_field_text(field.indexed, word)).collect();
    let found =
        |term: Term| -> Box<dyn Query> { Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)) };
    match part {
        Part::Phrase(_) if terms.len() > 1 => Box::new(PhraseQuery::new(terms)),
        Part::Beginning(_) => {
            // `it's*`: the last of its words is the one that goes on.
            let last = terms.pop().map(|term| FuzzyTermQuery::new_prefix(term, 0, false));
            let mut all: Vec<(Occur, Box<dyn Query>)> =
                terms.into_iter().map(|term| (occur, found(term))).collect();
            all.extend(last.map(|last| (occur, Box::new(last) as Box<dyn Query>)));
            Box::new(BooleanQuery::new(all))
        }
        _ => Box::new(BooleanQuery::new(terms.into_iter().map(|term| (occur, found(term))).collect())),
    }
}

/// The parts of what was typed, each with whether it must not be.
fn parts(text: &str) -> Vec<(bool, Part<'_>)> {
    let (mut parts, mut rest) = (Vec::new(), text);
    loop {
        rest = rest.trim_start_matches(|letter: char| letter.is_whitespace() || "+()~".contains(letter));
        let excluded = rest.starts_with('-');
        rest = if excluded { &rest[1..] } else { rest };
        if rest.is_empty() {
            return parts;
        }
        if let Some(after) = rest.strip_prefix('|') {
            parts.push((false, Part::Or));
            rest = after;
        } else if let Some(phrase) = rest.strip_prefix('"') {
            // What is never closed ends with the text.
            let (phrase, after) = phrase.split_once('"').unwrap_or((phrase, ""));
            parts.push((excluded, Part::Phrase(phrase)));
            rest = after;
        } else {
            let ends = |letter: char| letter.is_whitespace() || "+()~|\"".contains(letter);
            let (word, after) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
            // Nothing, where a `-` stands alone.
            if !word.is_empty() {
                let part = word.strip_suffix('*').map_or(Part::Word(word), Part::Beginning);
                parts.push((excluded, part));
            }
            rest = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_taken_apart() {
        let wanted = vec![
            (false, Part::Word("coffee-shop")),
            (false, Part::Beginning("tom")),
            (true, Part::Word("spam")),
            (false, Part::Phrase("at nine")),
            (false, Part::Or),
            (true, Part::Phrase("not this")),
        ];
        assert_eq!(parts("coffee-shop +tom* -spam (\"at nine\") | -\"not this"), wanted);
        for nothing in ["", "  ", "+-~", "()", "-"] {
            assert_eq!(parts(nothing), vec![], "{nothing}");
        }
    }
}
