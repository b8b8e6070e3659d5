//! `_search` and `_count`: what the full-text index finds, with the documents as they were when it was refreshed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::answer::ONE_SHARD;
use super::documents::{PRIMARY_TERM, Stored};
use super::indices::Target;
use super::query;
use super::ranking::{Found, Order, Ranked, Ranking};
use super::refusal::Refusal;
use super::search_body::{SearchBody, SourceParts};

/// Answers a search of one index.
pub(super) fn search(target: &Target, asked: &SearchBody) -> Result<String, Refusal> {
    let begun = Instant::now();
    let mapping = target.index.state().mapping;
    let order = asked.order(&mapping)?;
    let query = query::filtered(&mapping, target.filter.as_ref(), asked.query.as_ref())?;
    let searcher = target.index.full_text.searcher();
    let Found { count, first } =
        searcher.search(&*query, &Ranking { order, wanted: asked.from + asked.size })?;
    let first = first.get(asked.from..).unwrap_or_default();
    let stored: Vec<_> = {
        let documents = target.index.documents.lock();
        first.iter().filter_map(|ranked| Some((*ranked, documents.of_change(ranked.seq_no)?))).collect()
    };
    let mut best = Value::Null;
    let hits: Vec<String> = stored
        .iter()
        .map(|(ranked, stored)| {
            let (score, sort) = score_and_sort(asked, order, *ranked);
            if best.is_null() {
                best.clone_from(&score);
            }
            hit(&target.index.name, stored, asked, &score, sort.as_ref())
        })
        .collect();
    Ok(rendered(begun, "", total(asked, count), &best, &hits))
}

fn score_and_sort(asked: &SearchBody, order: Order, ranked: Ranked) -> (Value, Option<Value>) {
    let value = order.value(ranked);
    match (order, &asked.sort) {
        (Order::Score, None) => (value, None),
        (Order::Score, Some(_)) => (value.clone(), Some(json!([value]))),
        (_, _) => (Value::Null, Some(json!([value]))),
    }
}

/// `hits.total`, as far as it was asked for.
fn total(asked: &SearchBody, count: u64) -> Option<Value> {
    let max = asked.counted_max?;
    let relation = if count > max { "gte" } else { "eq" };
    Some(json!({"value": count.min(max), "relation": relation}))
}

/// A search's answer around its hits; `pit` is what a point in time adds in front.
pub(super) fn rendered(
    begun: Instant,
    pit: &str,
    total: Option<Value>,
    best: &Value,
    hits: &[String],
) -> String {
    let (took, total) =
        (begun.elapsed().as_millis(), total.map_or_else(String::new, |total| format!("\"total\":{total},")));
    format!(
        "{{{pit}\"took\":{took},\"timed_out\":false,\"_shards\":{ONE_SHARD},\"hits\":{{{total}\"max_score\":{best},\
         \"hits\":[{}]}}}}",
        hits.join(",")
    )
}

/// One hit.
pub(super) fn hit(
    index: &str,
    stored: &Arc<Stored>,
    asked: &SearchBody,
    score: &Value,
    sort: Option<&Value>,
) -> String {
    let Stored { id, version, seq_no, source } = &**stored;
    let mut hit = format!("{{\"_index\":\"{index}\",\"_id\":{},\"_score\":{score}", Value::from(&**id));
    if asked.with_version {
        hit.push_str(&format!(",\"_version\":{version}"));
    }
    if asked.with_seq_no {
        hit.push_str(&format!(",\"_seq_no\":{seq_no},\"_primary_term\":{PRIMARY_TERM}"));
    }
    if let Some(source) = shown(source, &asked.source) {
        hit.push_str(",\"_source\":");
        hit.push_str(&source);
    }
    if let Some(sort) = sort {
        hit.push_str(&format!(",\"sort\":{sort}"));
    }
    hit.push('}');
    hit
}

fn shown<'s>(source: &'s str, parts: &SourceParts) -> Option<Cow<'s, str>> {
    let fields = match parts {
        SourceParts::None => return None,
        SourceParts::All => return Some(Cow::Borrowed(source)),
        SourceParts::Fields(fields) => fields,
    };
    let mut entries: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(source).ok()?;
    entries.retain(|name, _| fields.iter().any(|field| field == name));
    serde_json::to_string(&entries).ok().map(Cow::Owned)
}

/// Answers a count of one index.
pub(super) fn count(target: &Target, query: Option<&Value>) -> Result<Value, Refusal> {
    let mapping = target.index.state().mapping;
    let query = query::filtered(&mapping, target.filter.as_ref(), query)?;
    let found =
        target.index.full_text.searcher().search(&*query, &Ranking { order: Order::Written, wanted: 0 })?;
    let shards: Value = serde_json::from_str(ONE_SHARD).unwrap_or_default();
    Ok(json!({"count": found.count, "_shards": shards}))
}
