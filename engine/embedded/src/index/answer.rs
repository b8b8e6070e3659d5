//! Answers in Elasticsearch's form.

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::response::Response;
use serde_json::Value;

use super::refusal::Refusal;

pub(super) type Answer = Result<Response, Refusal>;

/// A JSON body, marked as Elasticsearch's, which its clients check.
pub(super) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(HeaderName::from_static("x-elastic-product"), HeaderValue::from_static("Elasticsearch"));
    response
}

/// A good answer.
pub(super) fn fine(body: &Value) -> Answer {
    Ok(json(StatusCode::OK, body.to_string()))
}

/// Nothing more to say than that it is done.
pub(super) fn acknowledged() -> Answer {
    Ok(json(StatusCode::OK, r#"{"acknowledged":true}"#))
}

/// The one shard of every index, as far as it takes part.
pub(super) const ONE_SHARD: &str = r#"{"total":1,"successful":1,"skipped":0,"failed":0}"#;
