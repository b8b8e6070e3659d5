//! Answers, and problem details: what is wrong with a request, as RFC 9457 has it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// An answer that a route gives at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: Bytes,
}

impl Answer {
    /// Those bytes, of that type.
    #[must_use]
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, content_type, body: body.into() }
    }

    /// That value as JSON, with status 200.
    ///
    /// # Errors
    /// When it can't be written as JSON: a mistake in the flow, told as a 500.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, Problem> {
        match serde_json::to_vec(value) {
            Ok(body) => Ok(Self::new(200, "application/json", body)),
            Err(error) => {
                tracing::error!("an answer can't be written as JSON: {error}");
                Err(Problem::internal())
            }
        }
    }
}

/// What is wrong with a request: the body of every answer that is an error. Shown to the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A URI that names the kind of problem, for programs.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem, for people.
    pub title: String,
    /// The HTTP status, from 400 to 599.
    pub status: u16,
    /// What is wrong with this very request, and what to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// What a problem's body is.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

impl Problem {
    /// A problem of a kind that `name` names (`ticket-reserved` becomes `urn:problem:ticket-reserved`, with the title
    /// "Ticket reserved"). A status that is no error becomes 500.
    #[must_use]
    pub fn new(status: u16, name: &str, detail: impl Into<String>) -> Self {
        let mut title = name.replace('-', " ");
        if let Some(first) = title.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let status = if (400..600).contains(&status) { status } else { 500 };
        Self { kind: format!("urn:problem:{name}"), title, status, detail: detail.into() }
    }

    /// The request is not what it should be: 400.
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(400, "bad-request", detail)
    }

    pub(super) fn internal() -> Self {
        Self::new(500, "internal-error", "this is a mistake of the server; its log says more")
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Strings and a number: always possible.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_rfc_9457_asks_for() {
        let json = Problem::new(409, "ticket-reserved", "it is someone else's").to_json();
        let said: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let expected = serde_json::json!({
            "type": "urn:problem:ticket-reserved", "title": "Ticket reserved", "status": 409,
            "detail": "it is someone else's",
        });
        assert_eq!(said, expected);
    }

    #[test]
    fn a_problem_is_always_an_error() {
        for (given, status) in [(400, 400), (599, 599), (200, 500), (600, 500), (0, 500)] {
            assert_eq!(Problem::new(given, "x", "").status, status);
        }
    }
}
