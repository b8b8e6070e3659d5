//! Taking items out of a bulk request, and putting their answers back in place.

use bytes::Bytes;
use serde_json::{Value, json};

use super::rule::{ActiveRule, Fault, Picks};
use crate::answer::error_type;
use crate::bulk_request::items;

/// A bulk request after the rules went over its items.
#[derive(Debug)]
pub(super) struct Split {
    /// The lines the server gets; empty: none.
    pub(super) forwarded: Bytes,
    /// Per item of the request: the answer of a refused one, `None` for a forwarded one.
    refused: Vec<Option<Value>>,
}

/// Lets `rules` pick items out of `body`; `None` when no item is picked (or it is not a bulk request).
pub(super) fn split<'a>(
    body: &Bytes,
    path: &str,
    rules: &(impl Iterator<Item = &'a ActiveRule> + Clone),
) -> Option<Split> {
    let mut forwarded = Vec::with_capacity(body.len());
    let mut refused = Vec::new();
    for item in items(body) {
        let item = item.ok()?;
        let id = item.target.id.as_deref().unwrap_or_default();
        let status = rules.clone().find_map(|rule| match &rule.rule.fault {
            Fault::Items(status, picks) if picks(id) && rule.act() => Some(*status),
            _ => None,
        });
        if status.is_none() {
            forwarded.extend_from_slice(item.lines);
        }
        refused.push(status.map(|status| {
            let index = item.target.index.as_deref().unwrap_or_else(|| index_of(path));
            refusal(item.operation.name(), index, id, status)
        }));
    }
    refused.iter().any(Option::is_some).then(|| Split { forwarded: forwarded.into(), refused })
}

/// Whether a document of the bulk request is picked.
pub(super) fn holds(body: &[u8], picks: &Picks) -> bool {
    items(body).flatten().any(|item| picks(item.target.id.as_deref().unwrap_or_default()))
}

/// The documents of a bulk request.
pub(super) fn count(body: &[u8]) -> usize {
    items(body).filter(Result::is_ok).count()
}

impl Split {
    /// The answer to the whole request, from the server's answer to what was forwarded (`None`: nothing was).
    ///
    /// `None` when the server's answer is not one item per forwarded item; it is then passed on as it is.
    pub(super) fn merge(self, server: Option<&[u8]>) -> Option<Vec<u8>> {
        let mut answer: Value = match server {
            Some(body) => serde_json::from_slice(body).ok()?,
            None => json!({"took": 0, "items": []}),
        };
        let fields = answer.as_object_mut()?;
        // With a filter_path, an answer without items has no such field.
        let answered = match fields.remove("items") {
            Some(Value::Array(items)) => items,
            Some(_) => return None,
            None => Vec::new(),
        };
        let mut answered = answered.into_iter();
        let mut merged = Vec::with_capacity(self.refused.len());
        for slot in self.refused {
            merged.push(match slot {
                Some(refused) => refused,
                None => answered.next()?,
            });
        }
        if answered.next().is_some() {
            return None;
        }
        fields.insert("errors".to_owned(), Value::Bool(true));
        fields.insert("items".to_owned(), Value::Array(merged));
        serde_json::to_vec(&answer).ok()
    }
}

fn refusal(operation: &str, index: &str, id: &str, status: u16) -> Value {
    let kind = if status == 403 { "cluster_block_exception" } else { error_type(status) };
    let error = json!({"type": kind, "reason": "refused by the fault proxy"});
    json!({operation: {"_index": index, "_id": id, "status": status, "error": error}})
}

/// The index in `/index/_bulk`.
fn index_of(path: &str) -> &str {
    path.trim_start_matches('/').split_once('/').map_or("", |(index, _)| index)
}
