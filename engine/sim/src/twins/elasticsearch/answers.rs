//! Answers, worded as Elasticsearch words them.

use serde_json::{Value, json};

/// Why one document was refused.
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

    pub(super) fn as_json(&self) -> Value {
        json!({"type": self.kind, "reason": self.reason})
    }
}

/// A refusal of the whole request.
pub(super) fn refused(status: u16, kind: &str, reason: &str) -> (u16, Vec<u8>) {
    let cause = json!({"type": kind, "reason": reason});
    fine(&json!({"error": {"root_cause": [cause], "type": kind, "reason": reason}, "status": status}), status)
}

/// A body with that status.
pub(super) fn fine(body: &Value, status: u16) -> (u16, Vec<u8>) {
    (status, body.to_string().into_bytes())
}

/// Appends one item of a bulk answer.
pub(super) fn push_item(into: &mut String, verb: &str, id: &str, result: &Result<u16, Refusal>) {
    let id = Value::from(id);
    let (status, error) = match result {
        Ok(status) => (*status, String::new()),
        Err(refusal) => (refusal.status, format!(",\"error\":{}", refusal.as_json())),
    };
    into.push_str(&format!("{{\"{verb}\":{{\"_id\":{id},\"status\":{status}{error}}}}}"));
}
