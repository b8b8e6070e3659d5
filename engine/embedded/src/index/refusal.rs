//! What is refused, worded as Elasticsearch words it.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::answer;

/// Why a request, or one item of a bulk request, was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) reason: String,
}

impl Refusal {
    pub(super) fn new(status: u16, kind: &'static str, reason: impl Into<String>) -> Self {
        Self { status, kind, reason: reason.into() }
    }

    /// Something that the request says makes no sense.
    pub(super) fn illegal(reason: impl Into<String>) -> Self {
        Self::new(400, "illegal_argument_exception", reason)
    }

    /// Something that Elasticsearch could do and this index can't.
    pub(super) fn unsupported(what: impl std::fmt::Display) -> Self {
        Self::new(501, "unsupported_operation_exception", format!("the embedded index does not know {what}"))
    }

    /// A document that can't be parsed, or does not fit the mapping.
    pub(super) fn parsing(reason: impl Into<String>) -> Self {
        Self::new(400, "document_parsing_exception", reason)
    }

    /// Nothing has that name.
    pub(super) fn missing(name: &str) -> Self {
        Self::new(404, "index_not_found_exception", format!("no such index [{name}]"))
    }

    /// The index holds, or waits for, as much as it may.
    pub(super) fn full(reason: String) -> Self {
        Self::new(429, "circuit_breaking_exception", reason)
    }

    pub(super) fn as_json(&self) -> Value {
        json!({"type": self.kind, "reason": self.reason})
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let cause = self.as_json();
        let body = json!({
            "error": {"root_cause": [cause], "type": self.kind, "reason": self.reason}, "status": self.status,
        });
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        answer::json(status, body.to_string())
    }
}

impl From<tantivy::TantivyError> for Refusal {
    fn from(error: tantivy::TantivyError) -> Self {
        Self::new(500, "exception", format!("the full-text index failed: {error}"))
    }
}
