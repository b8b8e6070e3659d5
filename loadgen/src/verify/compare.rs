//! What the index holds against what it must hold.

use super::documents::{Document, Documents};
use super::examples::Examples;
use super::index::{Behind, Source, Visible};
use anyhow::Result;
use serde_json::{Map, Number, Value};

/// How much of a document's difference is shown.
const SHOWN_CHARS: usize = 160;

/// What is wrong with the index.
#[derive(Debug, Default)]
pub struct Difference {
    /// Documents that should be visible and are not.
    pub lost: Examples,
    /// Documents that are visible and should not be.
    pub extra: Examples,
    /// Documents that are visible with other fields than they should have.
    pub stale: Examples,
    /// How many documents are visible.
    pub visible: u64,
    /// What is not visible.
    pub behind: Behind,
}

/// Compares every visible document, and finds what is not visible.
///
/// # Errors
/// When the source can't be read to its end.
pub fn compare(documents: &mut Documents, source: &mut dyn Source) -> Result<Difference> {
    let mut difference = Difference::default();
    let behind = source.each(&mut |visible| {
        difference.visible += 1;
        check(documents, visible, &mut difference);
    })?;
    difference.behind = behind;
    for (id, document) in &documents.by_id {
        if document.source.is_some() && !document.found {
            difference.lost.add(|| format!("{id}: decided by {}, not in the index", document.decided_by));
        }
    }
    Ok(difference)
}

fn check(documents: &mut Documents, visible: Visible, difference: &mut Difference) {
    let Visible { id, version, source: shown } = visible;
    let at = || version.map_or_else(String::new, |version| format!(" (shown with version {version})"));
    let Some(document) = documents.by_id.get_mut(id.as_str()) else {
        difference.extra.add(|| format!("{id}: no event ever created it{}", at()));
        return;
    };
    let Document { source, decided_by, found } = document;
    if std::mem::replace(found, true) {
        difference.extra.add(|| format!("{id}: visible twice{}", at()));
        return;
    }
    let Some(source) = source else {
        difference.extra.add(|| format!("{id}: deleted by {decided_by}{}", at()));
        return;
    };
    // Our own text of an object: it parses.
    let expected: Map<String, Value> = serde_json::from_str(source).unwrap_or_default();
    if let Some(field) = first_difference(&expected, &shown) {
        let short = |value: Option<&Value>| {
            let text = value.map_or_else(|| "nothing".to_owned(), Value::to_string);
            text.chars().take(SHOWN_CHARS).collect::<String>()
        };
        let (should, is) = (short(expected.get(&field)), short(shown.get(&field)));
        difference.stale.add(|| format!("{id}: {field} should be {should} by {decided_by}, is {is}{}", at()));
    }
}

/// The first field that is not as it should be. A mark `deleted`, not set, is the index's own business.
fn first_difference(expected: &Map<String, Value>, shown: &Value) -> Option<String> {
    let Value::Object(shown) = shown else { return Some("_source".to_owned()) };
    let wrong = expected.iter().find(|(name, value)| !shown.get(*name).is_some_and(|is| same(value, is)));
    let own_business = |name: &str, value: &Value| name == "deleted" && *value == Value::Bool(false);
    let beyond =
        shown.iter().find(|(name, value)| !expected.contains_key(*name) && !own_business(name, value));
    wrong.or(beyond).map(|(name, _)| name.clone())
}

/// The same JSON, whatever the order of members and the spelling of numbers.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => same_number(a, b),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

/// `1e3`, `1000` and `1000.0` are the same number; 9007199254740993 and its nearest float are not.
fn same_number(a: &Number, b: &Number) -> bool {
    let exact = |number: &Number| number.as_i128().or_else(|| whole(number.as_f64()?));
    match (exact(a), exact(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => a.as_f64() == b.as_f64(),
        _ => false,
    }
}

/// A float that is a whole number small enough to be one exactly.
fn whole(float: f64) -> Option<i128> {
    (float.fract() == 0.0 && float.abs() < 1e30).then_some(float as i128)
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
