//! Elasticsearch's answers, read: which item says what.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json;

/// Our answers nest five deep; what nests deeper is not one of them.
const DEPTH_MAX: u32 = 32;

/// Why something failed, in Elasticsearch's words.
#[derive(Debug, Deserialize)]
pub(super) struct Cause<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) reason: Cow<'a, str>,
}

/// One item of a bulk answer.
#[derive(Debug, Deserialize)]
pub(super) struct BulkItem<'a> {
    #[serde(rename = "_id", borrow)]
    pub(super) id: Cow<'a, str>,
    pub(super) status: u16,
    #[serde(borrow, default)]
    pub(super) error: Option<Cause<'a>>,
}

#[derive(Deserialize)]
struct BulkAnswer<'a> {
    #[serde(borrow)]
    items: Vec<BulkAction<'a>>,
}

/// The one action of an item.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum BulkAction<'a> {
    Index(#[serde(borrow)] BulkItem<'a>),
    Delete(#[serde(borrow)] BulkItem<'a>),
}

/// Whether a bulk answer says, in the words we know, that each of these documents was written.
///
/// This is the answer nearly always, and comparing it with what it must be is several times faster than parsing it;
/// whatever differs, if only by a space, is for [`bulk_items`].
pub(super) fn all_written<'i>(answer: &[u8], mut ids: impl Iterator<Item = &'i [u8]>) -> bool {
    let Some(mut rest) = answer.strip_prefix(br#"{"errors":false,"items":["#) else { return false };
    let mut separator: &[u8] = b"";
    let all = ids.all(|id| {
        let after = rest
            .strip_prefix(separator)
            .and_then(|rest| rest.strip_prefix(br#"{"index":{"_id":""#))
            .and_then(|rest| rest.strip_prefix(id))
            .and_then(|rest| rest.strip_prefix(br#"","status":20"#))
            .and_then(|rest| rest.strip_prefix(b"0}}").or_else(|| rest.strip_prefix(b"1}}")));
        rest = after.unwrap_or_default();
        separator = b",";
        after.is_some()
    });
    all && rest == b"]}"
}

/// The items of a bulk answer; `None` when it is not one.
pub(super) fn bulk_items(answer: &mut [u8]) -> Option<impl ExactSizeIterator<Item = BulkItem<'_>>> {
    if !json::is_shallow(answer, DEPTH_MAX) {
        return None;
    }
    let answer: BulkAnswer<'_> = simd_json::serde::from_slice(answer).ok()?;
    Some(answer.items.into_iter().map(|action| match action {
        BulkAction::Index(item) | BulkAction::Delete(item) => item,
    }))
}

/// One document of a multi-get's answer.
#[derive(Debug, Deserialize)]
pub(super) struct ReadDocument<'a> {
    #[serde(rename = "_id", borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(default)]
    pub(super) found: bool,
    #[serde(rename = "_version")]
    pub(super) version: Option<u64>,
    /// As it was written, byte by byte.
    #[serde(rename = "_source", borrow)]
    pub(super) source: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<Cause<'a>>,
}

#[derive(Deserialize)]
struct ReadAnswer<'a> {
    #[serde(borrow)]
    docs: Vec<ReadDocument<'a>>,
}

/// The documents of a multi-get's answer; `None` when it is not one.
///
/// By serde_json, which keeps the documents as they are, and limits its recursion.
pub(super) fn read_documents(answer: &[u8]) -> Option<Vec<ReadDocument<'_>>> {
    serde_json::from_slice::<ReadAnswer<'_>>(answer).ok().map(|answer| answer.docs)
}

/// Why a whole request failed, when the answer says so in Elasticsearch's way.
pub(super) fn cause_of_request(answer: &[u8]) -> Option<Cause<'_>> {
    #[derive(Deserialize)]
    struct Failed<'a> {
        #[serde(borrow)]
        error: Cause<'a>,
    }
    serde_json::from_slice::<Failed<'_>>(answer).ok().map(|failed| failed.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: &[u8] =
        br#"{"errors":false,"items":[{"index":{"_id":"t/k/1","status":201}},{"index":{"_id":"t/k/2","status":200}}]}"#;

    fn ids<'i>(ids: &'i [&'i str]) -> impl Iterator<Item = &'i [u8]> {
        ids.iter().map(|id| id.as_bytes())
    }

    #[test]
    fn the_fine_answer_is_known_and_nothing_else() {
        assert!(all_written(FINE, ids(&["t/k/1", "t/k/2"])));
        assert!(!all_written(FINE, ids(&["t/k/1"])));
        assert!(!all_written(FINE, ids(&["t/k/2", "t/k/1"])));
        assert!(!all_written(FINE, ids(&["t/k/1", "t/k/2", "t/k/3"])));
        for end in 0..FINE.len() {
            assert!(!all_written(&FINE[..end], ids(&["t/k/1", "t/k/2"])), "{end}");
        }
        let other = String::from_utf8_lossy(FINE).replace("200", "209");
        assert!(!all_written(other.as_bytes(), ids(&["t/k/1", "t/k/2"])));
    }

    #[test]
    fn items_are_read_with_their_errors() {
        let mut answer = br#"{"took":3,"errors":true,"items":[{"index":{"_id":"a\"\u0001","status":201,"_shards":{}}},
            {"delete":{"_id":"b","status":400,"error":{"type":"x","reason":"y","caused_by":{"type":"z"}}}}]}"#
            .to_vec();
        let items: Vec<_> = bulk_items(&mut answer).unwrap().collect();
        assert_eq!((&*items[0].id, items[0].status, items[0].error.is_none()), ("a\"\u{1}", 201, true));
        assert_eq!((&*items[1].id, items[1].status), ("b", 400));
        let cause = items[1].error.as_ref().unwrap();
        assert_eq!((&*cause.kind, &*cause.reason), ("x", "y"));
    }

    #[test]
    fn what_is_no_answer_is_told_without_harm() {
        for answer in [
            &b""[..],
            b"{}",
            b"<html>",
            b"{\"items\":[{\"index\":{}}]}",
            &FINE[..FINE.len() - 2],
            &[0xFF; 64],
        ] {
            assert!(bulk_items(&mut answer.to_vec()).is_none());
            assert!(read_documents(answer).is_none());
        }
        let deep = [b"{\"items\":".as_slice(), &vec![b'['; 1_000_000]].concat();
        assert!(bulk_items(&mut deep.clone()).is_none());
        assert!(read_documents(&deep).is_none());
        assert!(cause_of_request(&deep).is_none());
    }

    #[test]
    fn read_documents_keep_their_bytes() {
        let answer = br#"{"docs":[{"_index":"i","_id":"1","_version":5,"found":true,"_source":{"n":1.10}},
            {"_id":"2","found":false},{"_id":"3","error":{"type":"x","reason":"y","index_uuid":"_na_"}}]}"#;
        let documents = read_documents(answer).unwrap();
        assert_eq!(documents[0].source.unwrap().get(), r#"{"n":1.10}"#);
        assert_eq!((documents[0].found, documents[0].version), (true, Some(5)));
        assert!(!documents[1].found && documents[1].error.is_none());
        assert_eq!(documents[2].error.as_ref().unwrap().kind, "x");
    }
}
