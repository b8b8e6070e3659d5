//! What Elasticsearch's answers mean, in one table.

use thalweg_core::failure::{Reason, RequestFailure, Verdict};

use super::answer::{self, Cause};
use super::json;

/// Longer explanations are cut: they end in the headers of a dead letter.
const MESSAGE_BYTES_MAX: usize = 500;

/// The classes of cause, before it is said whom they befall (an item or a request).
#[derive(Debug, PartialEq, Eq)]
enum Class {
    /// Applied.
    Fine,
    /// Something at least as new is there.
    Superseded,
    /// Refused for what it is.
    Content,
    /// Refused for load.
    Load,
    /// The cluster's, the index's or the credentials' state.
    State,
    /// None of these.
    Unclear,
}

/// The table. Asked from top to bottom.
///
/// | status | type, reason | class |
/// |---|---|---|
/// | any | `cluster_block_exception`, `index_closed_exception`, `index_not_found_exception` | state |
/// | any | alias with several indices, or without a write index | state |
/// | any | `es_rejected_execution_exception`, `circuit_breaking_exception` | load |
/// | any | `*shard*_exception`, `unavailable_shards_exception`, `security_exception` | state |
/// | 200, 201 | none | fine |
/// | 409 | `version_conflict_engine_exception` | superseded |
/// | 400, 413 | | content |
/// | 429 | | load |
/// | 401, 403, 404, 5xx | | state |
/// | else | | unclear |
fn classify(status: u16, cause: Option<&Cause<'_>>) -> Class {
    if let Some(class) = cause.and_then(by_type) {
        return class;
    }
    let kind = cause.map(|cause| &*cause.kind);
    match (status, kind) {
        (200 | 201, None) => Class::Fine,
        (409, Some("version_conflict_engine_exception")) => Class::Superseded,
        (400 | 413, _) => Class::Content,
        (429, _) => Class::Load,
        (401 | 403 | 404 | 500..=599, _) => Class::State,
        _ => Class::Unclear,
    }
}

fn by_type(cause: &Cause<'_>) -> Option<Class> {
    let about_the_alias = || {
        cause.reason.starts_with("no write index is defined for alias")
            || cause.reason.contains("has more than one index associated with it")
    };
    match &*cause.kind {
        "cluster_block_exception" | "index_closed_exception" | "index_not_found_exception" => {
            Some(Class::State)
        }
        "es_rejected_execution_exception" | "circuit_breaking_exception" => Some(Class::Load),
        "unavailable_shards_exception" | "security_exception" | "process_cluster_event_timeout_exception" => {
            Some(Class::State)
        }
        kind if kind.contains("shard") => Some(Class::State),
        "illegal_argument_exception" if about_the_alias() => Some(Class::State),
        _ => None,
    }
}

/// Judges one item of a bulk answer.
pub(super) fn item(status: u16, cause: Option<&Cause<'_>>) -> Verdict {
    match classify(status, cause) {
        Class::Fine => Verdict::Done,
        Class::Superseded => Verdict::Superseded,
        Class::Content => Verdict::Refused(reason("document_refused", status, cause)),
        Class::Load => Verdict::Overloaded,
        Class::State => Verdict::SinkDown(reason("elasticsearch_state", status, cause)),
        Class::Unclear => Verdict::Unclear(reason("elasticsearch_unclear", status, cause)),
    }
}

/// Judges one document of a read that failed: reads carry no status, and nothing about them is the record's fault.
pub(super) fn read(cause: &Cause<'_>) -> Verdict {
    match classify(0, Some(cause)) {
        Class::Load => Verdict::Overloaded,
        Class::State => Verdict::SinkDown(reason("elasticsearch_state", 0, Some(cause))),
        _ => Verdict::Unclear(reason("elasticsearch_unclear", 0, Some(cause))),
    }
}

/// Judges the answer to a whole request; `None` when it is 200, so that its items are to be judged.
///
/// Only 400 and 413 are about the content. Every status that is not in the table is taken for the sink's state: what
/// answers there is not an Elasticsearch in order, and a record must not pay for it.
pub(super) fn request(status: u16, body: &[u8]) -> Option<RequestFailure> {
    if status == 200 {
        return None;
    }
    let cause = answer::cause_of_request(body);
    Some(match classify(status, cause.as_ref()) {
        Class::Load => RequestFailure::Overloaded,
        Class::Content => RequestFailure::Refused(reason("document_refused", status, cause.as_ref())),
        _ => RequestFailure::SinkDown(reason("elasticsearch_state", status, cause.as_ref())),
    })
}

fn reason(class: &'static str, status: u16, cause: Option<&Cause<'_>>) -> Reason {
    let mut message = if status == 0 { String::from("read") } else { status.to_string() };
    if let Some(cause) = cause {
        message.push(' ');
        message.push_str(&cause.kind);
        message.push_str(": ");
        message.push_str(&cause.reason);
    }
    Reason::new(class, json::cut(&message, MESSAGE_BYTES_MAX).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(status: u16, kind: &'static str, reason: &'static str) -> Class {
        let cause = Cause { kind: kind.into(), reason: reason.into() };
        classify(status, (!kind.is_empty()).then_some(&cause))
    }

    #[test]
    fn the_table_holds() {
        let no_write_index =
            "no write index is defined for alias [m]. The write index may be explicitly disabled";
        for (status, kind, reason, wanted) in [
            (200, "", "", Class::Fine),
            (201, "", "", Class::Fine),
            (409, "version_conflict_engine_exception", "", Class::Superseded),
            (409, "something_else", "", Class::Unclear),
            (400, "document_parsing_exception", "", Class::Content),
            (400, "strict_dynamic_mapping_exception", "", Class::Content),
            (400, "illegal_argument_exception", "immense term", Class::Content),
            (400, "illegal_argument_exception", no_write_index, Class::State),
            (400, "index_closed_exception", "closed", Class::State),
            (413, "", "", Class::Content),
            (429, "es_rejected_execution_exception", "", Class::Load),
            (429, "cluster_block_exception", "disk usage exceeded flood-stage watermark", Class::State),
            (403, "cluster_block_exception", "index write (api)", Class::State),
            (429, "circuit_breaking_exception", "Data too large", Class::Load),
            (404, "index_not_found_exception", "", Class::State),
            (403, "security_exception", "", Class::State),
            (503, "unavailable_shards_exception", "", Class::State),
            (500, "", "", Class::State),
            (412, "", "", Class::Unclear),
            (202, "", "", Class::Unclear),
        ] {
            assert_eq!(class(status, kind, reason), wanted, "{status} {kind} {reason}");
        }
    }

    #[test]
    fn whole_requests_blame_records_only_for_400_and_413() {
        assert_eq!(request(200, &[]), None);
        for status in [400, 413] {
            assert!(matches!(request(status, &[]), Some(RequestFailure::Refused(_))), "{status}");
        }
        assert_eq!(request(429, &[]), Some(RequestFailure::Overloaded));
        for status in [201, 301, 401, 403, 404, 405, 406, 408, 409, 410, 415, 500, 502, 503, 504] {
            assert!(matches!(request(status, &[]), Some(RequestFailure::SinkDown(_))), "{status}");
        }
        let blocked = br#"{"error":{"type":"cluster_block_exception","reason":"blocked"},"status":400}"#;
        assert!(matches!(request(400, blocked), Some(RequestFailure::SinkDown(_))));
    }

    #[test]
    fn messages_name_status_type_and_reason_and_are_cut() {
        let cause = Cause { kind: "document_parsing_exception".into(), reason: "ü".repeat(1_000).into() };
        let Verdict::Refused(reason) = item(400, Some(&cause)) else { panic!("refused") };
        assert!(reason.message.starts_with("400 document_parsing_exception: ü"));
        assert!(reason.message.len() <= MESSAGE_BYTES_MAX);
    }
}
