//! Points in time: every document that a reader could see at a moment, kept while it is read page by page.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::documents::Stored;
use super::indices::Target;
use super::query;
use super::ranking::{Found, Order, Ranking};
use super::refusal::Refusal;
use super::search;
use super::search_body::SearchBody;
use super::settings;

/// Each keeps its documents from being forgotten.
const POINTS_MAX: usize = 4;

/// Longer is not waited for the next page.
const KEEP_ALIVE_MAX: Duration = Duration::from_secs(600);

struct Point {
    index: String,
    documents: Vec<Arc<Stored>>,
    ends: Instant,
}

/// All that are open.
#[derive(Default)]
pub(super) struct PointsInTime {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    points: BTreeMap<String, Point>,
    opened: u64,
}

impl PointsInTime {
    /// Opens one; answers its id.
    pub(super) fn open(&self, target: &Target, keep_alive: &str) -> Result<String, Refusal> {
        let keep_alive = keep_alive_of(keep_alive)?;
        let mapping = target.index.state().mapping;
        let query = query::filtered(&mapping, target.filter.as_ref(), None)?;
        let everything = Ranking { order: Order::Written, wanted: usize::MAX };
        let Found { first, .. } = target.index.full_text.searcher().search(&*query, &everything)?;
        let documents = {
            let documents = target.index.documents.lock();
            first.iter().filter_map(|ranked| documents.of_change(ranked.seq_no)).collect()
        };
        let mut held = self.held.lock();
        held.expire();
        if held.points.len() >= POINTS_MAX {
            let reason = format!("{POINTS_MAX} points in time are open, and no more are kept");
            return Err(Refusal::new(429, "es_rejected_execution_exception", reason));
        }
        held.opened += 1;
        let id = format!("point-{}", held.opened);
        let point = Point { index: target.index.name.clone(), documents, ends: Instant::now() + keep_alive };
        held.points.insert(id.clone(), point);
        Ok(id)
    }

    /// Closes one; whether it was open.
    pub(super) fn close(&self, id: &str) -> bool {
        self.held.lock().points.remove(id).is_some()
    }

    /// The next page of one: everything, in the order `_shard_doc`.
    pub(super) fn page(&self, asked: &SearchBody, pit: &Value) -> Result<String, Refusal> {
        let begun = Instant::now();
        let id = pit["id"].as_str().unwrap_or_default();
        let mut held = self.held.lock();
        held.expire();
        let Some(point) = held.points.get_mut(id) else {
            let reason = format!("No search context found for id [{id}]");
            return Err(Refusal::new(404, "search_context_missing_exception", reason));
        };
        if let Some(keep_alive) = pit["keep_alive"].as_str() {
            point.ends = Instant::now() + keep_alive_of(keep_alive)?;
        }
        let by_shard_doc = [json!(["_shard_doc"]), json!("_shard_doc"), json!([{"_shard_doc": "asc"}])];
        let plain = asked.query.is_none()
            && asked.from == 0
            && asked.sort.as_ref().is_some_and(|sort| by_shard_doc.contains(sort));
        if !plain {
            return Err(Refusal::unsupported(
                "searches in a point in time but everything, sorted by [_shard_doc]",
            ));
        }
        let next = match &asked.after {
            None => 0,
            Some(after) => {
                let last = after[0].as_u64().and_then(|last| usize::try_from(last).ok());
                let bad =
                    || Refusal::illegal(format!("[search_after] {after} is no position in [_shard_doc]"));
                last.ok_or_else(bad)?.saturating_add(1)
            }
        };
        let page = point.documents.iter().enumerate().skip(next).take(asked.size);
        let hits: Vec<_> = page
            .map(|(number, stored)| {
                search::hit(&point.index, stored, asked, &Value::Null, Some(&json!([number])))
            })
            .collect();
        let total = asked.counted_max.map(|_| json!({"value": point.documents.len(), "relation": "eq"}));
        Ok(search::rendered(begun, &format!("\"pit_id\":\"{id}\","), total, &Value::Null, &hits))
    }
}

impl Held {
    fn expire(&mut self) {
        let now = Instant::now();
        self.points.retain(|_, point| point.ends > now);
    }
}

fn keep_alive_of(text: &str) -> Result<Duration, Refusal> {
    let keep_alive = settings::duration(text).filter(|keep_alive| *keep_alive <= KEEP_ALIVE_MAX);
    keep_alive.ok_or_else(|| {
        let max = KEEP_ALIVE_MAX.as_secs();
        Refusal::illegal(format!("[keep_alive] must be a time up to {max}s, was [{text}]"))
    })
}
