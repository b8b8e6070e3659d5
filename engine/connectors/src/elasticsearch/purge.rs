//! Purging tombstones: once the log can't hold a record from before the removal any more, nothing can rise again, and
//! the tombstone may go.
//!
//! A tombstone is removed only if it is still the document that was found (`if_seq_no`): a record that put the document
//! again meanwhile wins. For a minute (`index.gc_deletes`) Elasticsearch remembers the removal with the tombstone's
//! version plus one, and would refuse a write of just that version: the next record of the log, which is then at least
//! as old as the retention.

use serde::Deserialize;
use serde_json::json;

use super::{answer, bulk};

/// Tombstones asked for at a time: Elasticsearch's default limit for a search is 10,000 hits.
pub const PAGE: usize = 5_000;

/// A tombstone, as a search found it.
#[derive(Debug, PartialEq, Eq)]
pub struct Tombstone {
    id: String,
    seq_no: u64,
    primary_term: u64,
}

/// What became of a page of tombstones.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Purged {
    /// Gone.
    pub removed: u64,
    /// No more what was found: put again, or gone already.
    pub changed: u64,
    /// Refused, for now.
    pub failed: u64,
}

/// The search for tombstones of documents removed before `older_than_ms` (ms since 1970).
#[must_use]
pub fn search_body(older_than_ms: i64) -> Vec<u8> {
    let query = json!({"bool": {"filter": [
        {"term": {"deleted": true}},
        {"range": {"deletedAt": {"lt": older_than_ms, "format": "epoch_millis"}}},
    ]}});
    let body = json!({
        "size": PAGE, "_source": false, "seq_no_primary_term": true, "track_total_hits": false, "sort": ["_doc"],
        "query": query,
    });
    body.to_string().into_bytes()
}

/// The tombstones in a search's answer; `None` when it is not one, or not all shards answered.
#[must_use]
pub fn tombstones(answer: &[u8]) -> Option<Vec<Tombstone>> {
    #[derive(Deserialize)]
    struct Answer {
        timed_out: bool,
        #[serde(rename = "_shards")]
        shards: Shards,
        // Absent when nothing was found: what is empty is filtered out.
        #[serde(default)]
        hits: Hits,
    }
    #[derive(Deserialize)]
    struct Shards {
        failed: u32,
    }
    #[derive(Deserialize, Default)]
    struct Hits {
        #[serde(default)]
        hits: Vec<Hit>,
    }
    #[derive(Deserialize)]
    struct Hit {
        #[serde(rename = "_id")]
        id: String,
        #[serde(rename = "_seq_no")]
        seq_no: u64,
        #[serde(rename = "_primary_term")]
        primary_term: u64,
    }
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    let complete = !answer.timed_out && answer.shards.failed == 0;
    let tombstone = |Hit { id, seq_no, primary_term }| Tombstone { id, seq_no, primary_term };
    complete.then(|| answer.hits.hits.into_iter().map(tombstone).collect())
}

/// The bulk request that removes them.
#[must_use]
pub fn removal_body(tombstones: &[Tombstone]) -> Vec<u8> {
    let mut body = Vec::new();
    for Tombstone { id, seq_no, primary_term } in tombstones {
        bulk::push_guarded_delete(&mut body, id, *seq_no, *primary_term);
    }
    body
}

/// What the bulk answer says became of them; `None` when it is not one.
#[must_use]
pub fn purged(answer: &mut [u8]) -> Option<Purged> {
    let mut purged = Purged::default();
    for item in answer::bulk_items(answer)? {
        match item.status {
            200 => purged.removed += 1,
            404 | 409 => purged.changed += 1,
            _ => purged.failed += 1,
        }
    }
    Some(purged)
}
