//! Answers in Elasticsearch's form.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

/// An answer as the servers of this crate give it.
pub(crate) type Answer = Response<Full<Bytes>>;

/// An answer with a JSON body, marked as Elasticsearch's own, which its clients check.
pub(crate) fn json_answer(status: u16, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    headers.insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    headers.insert("x-elastic-product", hyper::header::HeaderValue::from_static("Elasticsearch"));
    answer
}

/// A whole request refused, as Elasticsearch (or, for 502 and 504, what stands before it) puts it.
pub(crate) fn refusal(status: u16) -> Answer {
    match status {
        // These don't come from Elasticsearch's REST layer and hold no JSON.
        413 => html_answer(status, ""),
        502 | 504 => html_answer(status, "<html><body><h1>Bad Gateway</h1></body></html>"),
        _ => json_answer(status, error(status, error_type(status), "refused by the fault proxy").to_string()),
    }
}

/// The body of an error of a whole request.
pub(crate) fn error(status: u16, kind: &str, reason: &str) -> Value {
    let cause = json!({"type": kind, "reason": reason});
    json!({"error": {"root_cause": [cause], "type": kind, "reason": reason}, "status": status})
}

/// The name Elasticsearch gives to what usually causes this status.
pub(crate) fn error_type(status: u16) -> &'static str {
    match status {
        400 => "document_parsing_exception",
        401 | 403 => "security_exception",
        404 => "index_not_found_exception",
        409 => "version_conflict_engine_exception",
        429 => "es_rejected_execution_exception",
        503 => "unavailable_shards_exception",
        _ => "exception",
    }
}

fn html_answer(status: u16, body: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    answer.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("text/html"));
    answer
}
