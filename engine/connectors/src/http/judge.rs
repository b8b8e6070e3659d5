//! What the statuses of answers mean, in one table.

use serde::{Deserialize, Serialize};
use thalweg_core::failure::Reason;

/// What 409 means to the system that is called: there is no one answer to that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    /// A call with that idempotency key is being worked on: asked again until it has its answer. So it is in the IETF's
    /// draft of the header `Idempotency-Key`.
    #[default]
    InProgress,
    /// A call with that key was made before: done.
    Applied,
    /// The call can't be: refused, as by any other 4xx.
    Refused,
}

/// What an answer says of its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Made.
    Done,
    /// Refused for what it is.
    Refused,
    /// Refused for load.
    Load,
    /// The system's state, or that of our credentials.
    State,
    /// It may have been made.
    Unknown,
    /// None of these.
    Unclear,
}

/// The table. Asked from top to bottom.
///
/// | status | class |
/// |---|---|
/// | 2xx | done |
/// | 401, 403, 407 | state: of our credentials, whatever the call |
/// | 408, 425 | unknown |
/// | 409 | as the settings say: unknown, done or refused |
/// | 429 | load |
/// | 4xx | refused |
/// | 5xx | state (and it may have been made: it is made again with the same key) |
/// | else (redirections are not followed) | unclear |
pub(super) fn classify(status: u16, conflict: Conflict) -> Class {
    match status {
        200..=299 => Class::Done,
        401 | 403 | 407 => Class::State,
        408 | 425 => Class::Unknown,
        409 => match conflict {
            Conflict::InProgress => Class::Unknown,
            Conflict::Applied => Class::Done,
            Conflict::Refused => Class::Refused,
        },
        429 => Class::Load,
        400..=499 => Class::Refused,
        500..=599 => Class::State,
        _ => Class::Unclear,
    }
}

/// More of an answer's body is of no use in a log or a dead letter.
const SHOWN_BYTES_MAX: usize = 300;

/// Why, for people: the status and how the body begins.
pub(super) fn reason(class: &'static str, status: u16, body: &[u8]) -> Reason {
    let body = &body[..body.len().min(SHOWN_BYTES_MAX)];
    let shown = String::from_utf8_lossy(body);
    let text = shown.trim();
    Reason::new(class, if text.is_empty() { status.to_string() } else { format!("{status}: {text}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds() {
        for (statuses, wanted) in [
            (&[200, 201, 202, 204, 299][..], Class::Done),
            (&[400, 402, 404, 405, 410, 413, 415, 422, 499], Class::Refused),
            (&[401, 403, 407, 500, 501, 502, 503, 504, 599], Class::State),
            (&[408, 409, 425], Class::Unknown),
            (&[429], Class::Load),
            (&[0, 100, 199, 300, 301, 302, 307, 308, 600, 999], Class::Unclear),
        ] {
            for status in statuses {
                assert_eq!(classify(*status, Conflict::InProgress), wanted, "{status}");
            }
        }
        assert_eq!(classify(409, Conflict::Applied), Class::Done);
        assert_eq!(classify(409, Conflict::Refused), Class::Refused);
    }

    #[test]
    fn reasons_name_the_status_and_are_cut() {
        assert_eq!(reason("x", 500, b" \n").message, "500");
        assert_eq!(reason("x", 402, b"no money\n").message, "402: no money");
        assert!(reason("x", 402, "ä".repeat(9_000).as_bytes()).message.len() < 400);
    }
}
