//! The operator: raises a counter, and answers.

use serde::{Deserialize, Serialize};
use thalweg::commands::{Command, Problem, Replies};
use thalweg::flow::{Outgoing, OutputTopic};
use thalweg::kafka::Headers;
use thalweg::state::Table;
use thalweg::{DueNow, Reason, Record, Run, StatefulOperator, Step};

use crate::requests::Raise;

/// What each counter stands at.
pub const COUNTS: Table<[u8], u64> = Table::new(1);

/// A counter that stands here is full: what asks for more is refused.
const FULL: u64 = 10_000;

/// A counter as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// What it stands at.
    pub count: u64,
}

/// See the module's text.
#[derive(Debug)]
pub struct Counter {
    /// Each counter as it is, for who looks.
    pub view: OutputTopic,
    /// How commands are answered.
    pub replies: Replies,
}

impl Counter {
    fn show(&self, run: &mut Run<'_>, key: &[u8], count: u64) {
        let name = String::from_utf8_lossy(key).into_owned();
        match serde_json::to_vec(&Standing { name, count }) {
            Ok(value) => {
                let shown = Outgoing { key: Some(key), value: Some(&value), headers: Headers::default() };
                self.view.send(run, shown);
            }
            Err(error) => run.state.fail(format!("a counter can't be written: {error}")),
        }
    }
}

impl StatefulOperator for Counter {
    fn process(&mut self, record: &Record<'_>, run: &mut Run<'_>) -> Step {
        let command = match Command::of(record) {
            Ok(Some(command)) => command,
            Ok(None) => {
                return Step::Rejected(Reason::new(
                    "no_command",
                    "nobody waits for an answer to this record",
                ));
            }
            Err(reason) => return Step::Rejected(reason),
        };
        if self.replies.answered_before(run, &command) {
            return Step::Done;
        }
        let (key, value) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
        let by = match serde_json::from_slice(value) {
            Ok(Raise { by }) => by,
            Err(error) => return Step::Rejected(Reason::new("malformed_command", error.to_string())),
        };
        let count = COUNTS.get(run, key).unwrap_or(0).saturating_add(by);
        if count > FULL {
            self.replies.refuse(
                run,
                &command,
                &Problem::new(409, "counter-full", "the counter can't be raised so far"),
            );
        } else {
            COUNTS.put(run, key, &count);
            self.show(run, key, count);
            self.replies.answer(run, &command, 200, count.to_string().as_bytes());
        }
        Step::Done
    }

    fn due(&mut self, timer: DueNow<'_>, run: &mut Run<'_>) {
        let was_ours = self.replies.forget(run, timer);
        debug_assert!(was_ours, "this flow sets no timer of its own");
    }
}
