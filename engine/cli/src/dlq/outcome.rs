//! What came of a replay, or would come of it.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::safe_text::safe_start;

/// More reasons than flows have; letters of strangers could bring any number.
const REASONS_MAX: usize = 1_000;

/// Letters by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Reasons(BTreeMap<String, u64>);

impl Reasons {
    /// One more; beyond a thousand reasons, of `other`.
    pub(crate) fn add(&mut self, reason: &str) {
        let known = self.0.contains_key(reason) || self.0.len() < REASONS_MAX;
        *self.0.entry(if known { reason } else { "other" }.to_owned()).or_default() += 1;
    }

    /// Those of the wanted that there is no letter of, as an error that names what there is.
    pub(crate) fn miss(&self, wanted: &[String]) -> Option<String> {
        let missing = wanted.iter().find(|reason| !self.0.contains_key(*reason))?;
        let there: Vec<_> =
            self.0.iter().map(|(reason, count)| format!("{} ({count})", shown(reason))).collect();
        let there = if there.is_empty() { "there are none at all".to_owned() } else { there.join(", ") };
        Some(format!(
            "--reason {}: there is no dead letter of that reason; there are: {there}",
            shown(missing)
        ))
    }

    /// A line for each, the most frequent first.
    pub(crate) fn lines(&self) -> String {
        let mut sorted: Vec<_> = self.0.iter().collect();
        sorted.sort_by_key(|(reason, count)| (std::cmp::Reverse(**count), *reason));
        let mut lines = String::new();
        for (reason, count) in sorted {
            // Writing to a String can't fail.
            let _ = writeln!(lines, "  {count:>9}  {}", shown(reason));
        }
        lines
    }
}

fn shown(reason: &str) -> String {
    safe_start(reason.as_bytes(), 60)
}

/// See the module's text. As JSON: one object.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Outcome {
    /// The dead-letter topic.
    pub(crate) topic: String,
    /// Where to; absent: each letter's own topic.
    pub(crate) to: Option<String>,
    /// The group that remembers what was replayed.
    pub(crate) group: String,
    /// The group remembered an earlier replay when this one began.
    pub(crate) remembered: bool,
    /// Nothing was written.
    pub(crate) dry_run: bool,
    /// It went on where an interrupted one had ended.
    pub(crate) resumed: bool,
    /// It was stopped before its end.
    pub(crate) interrupted: bool,
    /// Letters that match.
    pub(crate) matching: u64,
    /// ... and were replayed before.
    pub(crate) replayed_before: u64,
    /// ... and were to be replayed now.
    pub(crate) chosen: u64,
    /// ... and were.
    pub(crate) replayed: u64,
    /// ... and are the second letter of a record, written after a crash.
    pub(crate) written_twice: u64,
    /// ... and have no value (or key), which was left out for its size.
    pub(crate) incomplete: u64,
    /// ... and were replayed as often as allowed.
    pub(crate) replayed_too_often: u64,
    /// ... and were refused by the topic that they were to go to.
    pub(crate) refused: u64,
    /// Records on the topic that are no dead letters of a flow.
    pub(crate) no_letters: u64,
    /// What was chosen, by reason.
    pub(crate) reasons: Reasons,
    /// How long it took.
    pub(crate) seconds: f64,
}

impl Outcome {
    /// How many letters match and can't be replayed.
    pub(crate) fn left(&self) -> u64 {
        self.incomplete + self.replayed_too_often + self.refused
    }

    /// For people.
    pub(crate) fn text(&self, max_replays: u32) -> String {
        let Self { topic, group, chosen, replayed, .. } = self;
        let to = self.to.as_deref().unwrap_or("the topics they come from");
        let mut text = match (self.dry_run, self.interrupted) {
            (true, _) => {
                format!("{chosen} dead letters of {topic} would be replayed to {to}; nothing was written\n")
            }
            (false, true) => format!(
                "stopped: {replayed} of {chosen} dead letters of {topic} were replayed to {to}; the same command goes \
                 on with the others\n"
            ),
            (false, false) => format!("{replayed} dead letters of {topic} were replayed to {to}\n"),
        };
        if self.resumed {
            text.push_str(
                "(an interrupted replay goes on: up to the letter that was the last when it began)\n",
            );
        }
        if !self.remembered {
            // Writing to a String can't fail.
            let _ = writeln!(
                text,
                "(the group {group} remembered no earlier replay; Kafka forgets what was remembered longer ago than \
                 offsets.retention.minutes, a week by default)"
            );
        }
        text.push_str(&self.reasons.lines());
        for (count, what) in [
            (self.replayed_before, format!("were replayed before (group {group})")),
            (self.written_twice, "are second letters of the same record".to_owned()),
            (self.incomplete, "can't be replayed: their value was left out for its size".to_owned()),
            (
                self.replayed_too_often,
                format!("were replayed {max_replays} times or more: see --max-replays"),
            ),
            (self.refused, "were refused by the topic they were to go to".to_owned()),
            (self.no_letters, "are no dead letters of a flow, and were left alone".to_owned()),
        ] {
            if count > 0 {
                // Writing to a String can't fail.
                let _ = writeln!(text, "of the others on the topic, {count} {what}");
            }
        }
        text
    }
}
