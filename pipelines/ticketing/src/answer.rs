//! What a service answers to a command.

use serde::Serialize;
use serde_json::Value;

/// The content type of a refusal's body (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";
/// The content type of every other body.
pub const JSON: &str = "application/json";

/// A status and a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// As HTTP has them.
    pub status: u16,
    /// What is said, in JSON.
    pub body: Value,
}

/// Why a command is refused. The code tells programs, the detail tells people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// As HTTP has them.
    pub status: u16,
    /// Names the reason, in small letters and dashes; never changes.
    pub code: &'static str,
    /// What is wrong, and what can be done.
    pub detail: String,
}

impl Refusal {
    /// What is named is not there.
    pub fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self { status: 404, code, detail: detail.into() }
    }

    /// It is somebody else's business.
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self { status: 403, code, detail: detail.into() }
    }

    /// It can't be done as things stand.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self { status: 409, code, detail: detail.into() }
    }
}

impl Answer {
    /// Something was made.
    pub fn created(what: &impl Serialize) -> Self {
        Self { status: 201, body: json(what) }
    }

    /// Something was changed.
    pub fn changed(what: &impl Serialize) -> Self {
        Self { status: 200, body: json(what) }
    }

    /// Whether the command was refused.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.status >= 400
    }

    /// What the body is.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        if self.is_refusal() { PROBLEM_JSON } else { JSON }
    }
}

impl From<Refusal> for Answer {
    fn from(Refusal { status, code, detail }: Refusal) -> Self {
        let mut title = code.replace('-', " ");
        if let Some(first) = title.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let kind = format!("urn:problem:{code}");
        let body = serde_json::json!({ "type": kind, "title": title, "status": status, "detail": detail });
        Self { status, body }
    }
}

impl From<Result<Self, Refusal>> for Answer {
    fn from(result: Result<Self, Refusal>) -> Self {
        result.unwrap_or_else(Self::from)
    }
}

/// What our own types are in JSON.
fn json(what: &impl Serialize) -> Value {
    // Fails only for maps with keys that are no strings, which none of ours has.
    serde_json::to_value(what).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_problem_details() {
        let answer = Answer::from(Refusal::conflict("ticket-taken", "the ticket \"t1\" has an order"));
        assert_eq!((answer.status, answer.content_type()), (409, PROBLEM_JSON));
        assert_eq!(answer.body["type"], "urn:problem:ticket-taken");
        assert_eq!(answer.body["title"], "Ticket taken");
        assert_eq!(answer.body["status"], 409);
        assert!(answer.body["detail"].as_str().is_some_and(|detail| detail.contains("t1")));
    }
}
