//! What the verifier found out.

use super::examples::Examples;
use serde::Serialize;
use std::collections::BTreeMap;

/// The summary; as JSON it is the last line of output. What was not checked is null.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Records on the topic.
    pub records: u64,
    /// Records in the lists of acknowledged ones.
    pub acked: u64,
    /// Of these, not on the topic, or another record in their place.
    pub acked_missing: u64,
    /// Records skipped as duplicates.
    pub duplicates: u64,
    /// Updates of deleted documents.
    pub superseded: u64,
    /// Records without a message id.
    pub without_id: u64,
    /// Documents that must be visible.
    pub expected_documents: u64,
    /// Documents that are visible.
    pub index_documents: Option<u64>,
    /// Not visible.
    pub lost: Option<u64>,
    /// Visible, but should not be.
    pub extra: Option<u64>,
    /// Visible with other fields than they should have.
    pub stale: Option<u64>,
    /// Writes that came after a later one of the same document (known of a stand-in only).
    pub stale_writes: Option<u64>,
    /// Documents written from two partitions.
    pub ambiguous: u64,
    /// Hidden marks of deleted documents.
    pub tombstones: Option<u64>,
    /// How many documents are deleted by the log; marks older than the topic's retention may be gone.
    pub tombstones_expected: u64,
    /// Records that must be dead letters.
    pub dead_letters_expected: u64,
    /// Records that are.
    pub dead_letters_found: Option<u64>,
    /// Must be and are not.
    pub dead_letters_missing: Option<u64>,
    /// Are and must not be.
    pub dead_letters_unexpected: Option<u64>,
    /// Written more than once: the copies beyond the first.
    pub dead_letters_twice: Option<u64>,
    /// With another key, value or id than their record.
    pub dead_letters_altered: Option<u64>,
    /// Dead letters by their own reason.
    pub reasons: BTreeMap<String, u64>,
    /// Dead letters that must be, by reason.
    pub reasons_expected: BTreeMap<String, u64>,
    /// Where the two differ: `ours -> its`.
    pub reasons_other: BTreeMap<String, u64>,
    /// Partitions that don't begin at offset 0: what was before is unknown, so differences may be due to that.
    pub cut_off: Vec<String>,
    /// How long it took.
    pub seconds: f64,
    /// All is as it must be.
    pub ok: bool,
    /// What is wrong, by name; not part of the JSON.
    #[serde(skip)]
    pub findings: Vec<(&'static str, Examples)>,
}

impl Report {
    /// Notes what is wrong, and gives back how often.
    pub fn note(&mut self, what: &'static str, examples: Examples) -> u64 {
        let count = examples.count;
        if count > 0 {
            self.findings.push((what, examples));
        }
        count
    }

    /// Sets [`Self::ok`].
    pub fn judge(&mut self) {
        let checked = [
            self.lost,
            self.extra,
            self.stale,
            self.dead_letters_missing,
            self.dead_letters_unexpected,
            self.dead_letters_altered,
        ];
        let wrong = self.acked_missing + self.ambiguous + checked.into_iter().flatten().sum::<u64>();
        self.ok = wrong == 0;
    }

    /// What is wrong, for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        for at in &self.cut_off {
            lines.push(format!("note: the topic begins at {at}, what was before is unknown"));
        }
        for (what, Examples { count, named }) in &self.findings {
            lines.push(format!("{what}: {count}"));
            lines.extend(named.iter().map(|name| format!("  {name}")));
            if *count > named.len() as u64 {
                lines.push(format!("  and {} more", count - named.len() as u64));
            }
        }
        let verdict = if self.ok { "all is as it must be" } else { "NOT as it must be" };
        lines.push(format!("{} records read in {:.1} s: {verdict}", self.records, self.seconds));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_thing_is_enough() {
        let judged = |change: fn(&mut Report)| {
            let mut report = Report::default();
            change(&mut report);
            report.judge();
            report.ok
        };
        assert!(judged(|_| {}));
        assert!(judged(|report| report.dead_letters_twice = Some(3)));
        assert!(judged(|report| report.stale_writes = Some(3)));
        assert!(!judged(|report| report.acked_missing = 1));
        assert!(!judged(|report| report.ambiguous = 1));
        assert!(!judged(|report| report.lost = Some(1)));
        assert!(!judged(|report| report.extra = Some(1)));
        assert!(!judged(|report| report.stale = Some(1)));
        assert!(!judged(|report| report.dead_letters_missing = Some(1)));
        assert!(!judged(|report| report.dead_letters_unexpected = Some(1)));
        assert!(!judged(|report| report.dead_letters_altered = Some(1)));
    }
}
