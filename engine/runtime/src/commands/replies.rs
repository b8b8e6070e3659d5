//! Answering commands from the run that processes them, and remembering what was answered.

use serde::{Deserialize, Serialize};
use thalweg_core::exactly_once::{DueNow, Run};
use thalweg_core::headers::Headers;

use super::command::Command;
use super::envelope::{ReplyAddress, ReplyHeaders};
use super::fingerprint::Fingerprint;
use super::problem::Problem;
use super::settings::CommandSettings;
use crate::flow::{Outgoing, OutputTopic};
use crate::state::{Row, Table};

/// The table of what was answered: the last number there is, so that operators can count theirs from 1.
const ANSWERED: Table<Fingerprint, Answered> = Table::new(u8::MAX);

/// What the ids of our timers begin with. No id of an operator's own does: an enum's number, as it is written, has no
/// five such bytes.
const TIMER_PREFIX: [u8; 5] = [0xFF; 5];

/// A reply that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Answered {
    request_hash: Fingerprint,
    status: u16,
    body: Vec<u8>,
}

impl Row for Answered {}

/// Answers commands: a part of an exactly-once flow's operator. Keeps the table of number 255 in the operator's state.
///
/// ```no_run
/// # use thalweg::commands::{Command, Problem, Replies};
/// # use thalweg::{DueNow, Record, Run, StatefulOperator, Step};
/// struct Counter { replies: Replies }
///
/// impl StatefulOperator for Counter {
///     fn process(&mut self, record: &Record<'_>, run: &mut Run<'_>) -> Step {
///         match Command::of(record) {
///             // Answered before: the reply goes out again, and nothing else happens.
///             Ok(Some(command)) if self.replies.answered_before(run, &command) => {}
///             Ok(Some(command)) => self.replies.answer(run, &command, 200, b"{}"),
///             Ok(None) => {} // a record that came another way
///             Err(reason) => return Step::Rejected(reason),
///         }
///         Step::Done
///     }
///
///     fn due(&mut self, timer: DueNow<'_>, run: &mut Run<'_>) {
///         if self.replies.forget(run, timer) {
///             return;
///         }
///         // a timer of our own
///     }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Replies {
    topic: OutputTopic,
    partitions: i32,
    remember_ms: i64,
}

impl Replies {
    /// To that topic of the flow, which must be the settings' topic of replies.
    #[must_use]
    pub fn to(topic: OutputTopic, settings: &CommandSettings) -> Self {
        let partitions = i32::try_from(settings.replies_partitions).unwrap_or(i32::MAX);
        Self { topic, partitions, remember_ms: i64::try_from(settings.remember_ms).unwrap_or(i64::MAX) }
    }

    /// Whether a command with this idempotency key was answered before. If so it is answered now: with the same reply, or,
    /// when it asks for something else under the same key, with a 422; the run must do nothing more for it.
    #[must_use]
    pub fn answered_before(&self, run: &mut Run<'_>, command: &Command<'_>) -> bool {
        let Some(name) = command.name() else { return false };
        let Some(answered) = ANSWERED.get(run, &name) else { return false };
        if answered.request_hash == command.request_hash {
            self.send(run, command, answered.status, &answered.body, true);
        } else {
            let problem = Problem::new(
                422,
                "idempotency-key-reused",
                "this Idempotency-Key was sent with another request before; use a new one for a new request",
            );
            self.send(run, command, problem.status, &problem.to_json(), false);
        }
        true
    }

    /// Answers a command with a status from 200 to 599 and a body of JSON, as a part of the run: the client gets it once
    /// everything that the run did is committed. Remembered if the command has an idempotency key.
    pub fn answer(&self, run: &mut Run<'_>, command: &Command<'_>, status: u16, body: &[u8]) {
        debug_assert!((200..600).contains(&status), "no status of an answer: {status}");
        if let Some(name) = command.name() {
            let answered = Answered { request_hash: command.request_hash, status, body: body.to_vec() };
            ANSWERED.put(run, &name, &answered);
            let id = [&TIMER_PREFIX[..], &name].concat();
            let forget_ms = run.now_ms().saturating_add(self.remember_ms);
            run.state.set_timer(&id, forget_ms);
        }
        self.send(run, command, status, body, false);
    }

    /// Answers a command with a problem, like [`Replies::answer`]: a refusal is remembered too.
    pub fn refuse(&self, run: &mut Run<'_>, command: &Command<'_>, problem: &Problem) {
        self.answer(run, command, problem.status, &problem.to_json());
    }

    /// To be asked first in [`crate::StatefulOperator::due`]: whether the timer was ours. Then a reply was forgotten, and
    /// there is nothing else to do.
    #[must_use]
    pub fn forget(&self, run: &mut Run<'_>, due: DueNow<'_>) -> bool {
        let name = due.timer.id.strip_prefix(&TIMER_PREFIX).and_then(|name| Fingerprint::try_from(name).ok());
        if let Some(name) = name {
            ANSWERED.delete(run, &name);
        }
        name.is_some()
    }

    fn send(&self, run: &mut Run<'_>, command: &Command<'_>, status: u16, body: &[u8], repeated: bool) {
        let ReplyAddress { correlation_id, partition } = command.address;
        if partition >= self.partitions {
            // Written there, it would be refused again and again, and the flow would not go on.
            let (user, partitions) = (command.user, self.partitions);
            tracing::warn!(
                "a command of {user} asks for its reply in partition {partition}, and there are {partitions}; \
                 is commands.replies_partitions the same for all instances?"
            );
            return;
        }
        let mut headers = Vec::new();
        ReplyHeaders { correlation_id, status, repeated }.encode(&mut headers);
        let reply = Outgoing { key: Some(command.key), value: Some(body), headers: Headers::new(&headers) };
        self.topic.send_to(run, partition, reply);
    }
}

#[cfg(test)]
mod tests;
