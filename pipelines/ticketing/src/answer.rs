//! What a service answers to a command.

use serde::Serialize;
use serde_json::Value;
use thalweg::commands::{Command, Problem, Replies};
use thalweg::{Reason, Record, Run, Step};

/// A status and a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// As HTTP has them.
    pub status: u16,
    /// What is said, in JSON.
    pub body: Value,
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
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        Self { status: problem.status, body: json(&problem) }
    }
}

/// What our own types are in JSON.
fn json(what: &impl Serialize) -> Value {
    // Fails only for maps with keys that are no strings, which none of ours has.
    serde_json::to_value(what).unwrap_or_default()
}

/// Answers the command that a record is with what `decide` says, which is not asked when the command was answered before.
pub(crate) fn once(
    replies: &Replies,
    run: &mut Run<'_>,
    record: &Record<'_>,
    decide: impl FnOnce(&mut Run<'_>) -> Answer,
) -> Step {
    let command = match Command::of(record) {
        Ok(Some(command)) => command,
        Ok(None) => {
            return Step::Rejected(Reason::new("no_command", "nobody waits for an answer to this command"));
        }
        Err(reason) => return Step::Rejected(reason),
    };
    if !replies.answered_before(run, &command) {
        let Answer { status, body } = decide(run);
        replies.answer(run, &command, status, body.to_string().as_bytes());
    }
    Step::Done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_answers() {
        let answer = Answer::from(Problem::new(409, "ticket-taken", "the ticket \"t1\" has an order"));
        assert_eq!((answer.status, &answer.body["status"]), (409, &409.into()));
        assert_eq!(answer.body["type"], "urn:problem:ticket-taken");
        assert!(answer.body["detail"].as_str().is_some_and(|detail| detail.contains("t1")));
    }
}
