//! Which records are finished, whether each key's were in order, and what it took.

use std::collections::HashMap;
use std::io::Write as _;
use std::time::Instant;

use anyhow::Result;
use serde::Serialize;

use super::MessageEvent;
use thalweg_benches::cpu;

/// What has been finished so far.
#[derive(Debug)]
pub(super) struct Finished {
    wanted: u64,
    records: u64,
    out_of_order: u64,
    /// How many records of each key are finished: the sequence that its next one must have.
    next: HashMap<String, u64>,
    /// When the first record arrived, and the CPU seconds used until then.
    begun: Option<(Instant, f64)>,
    /// From then to the last record.
    ended: Option<(f64, f64)>,
}

/// The last line on standard output.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    records: u64,
    keys: usize,
    out_of_order: u64,
    seconds: f64,
    cpu_seconds: f64,
}

impl Finished {
    pub(super) fn new(wanted: u64) -> Self {
        Self { wanted, records: 0, out_of_order: 0, next: HashMap::new(), begun: None, ended: None }
    }

    /// To be called with every record before anything else is done with it.
    pub(super) fn begin(&mut self) {
        if self.begun.is_none() {
            self.begun = Some((Instant::now(), cpu::of_this_process()));
        }
    }

    /// All that had to be done with a record is done.
    pub(super) fn finish(&mut self, event: &MessageEvent) {
        let in_order = match self.next.get_mut(&event.key) {
            Some(next) => std::mem::replace(next, event.sequence + 1) == event.sequence,
            None => self.next.insert(event.key.clone(), event.sequence + 1).is_none() && event.sequence == 0,
        };
        self.out_of_order += u64::from(!in_order);
        self.records += 1;
        if self.records == self.wanted
            && let Some((begun, cpu_seconds)) = self.begun
        {
            self.ended = Some((begun.elapsed().as_secs_f64(), cpu::of_this_process() - cpu_seconds));
        }
    }

    /// What it took, once everything is finished.
    pub(super) fn report(&self) -> Option<Report> {
        let (seconds, cpu_seconds) = self.ended?;
        let Self { records, out_of_order, .. } = *self;
        Some(Report { records, keys: self.next.len(), out_of_order, seconds, cpu_seconds })
    }
}

impl Report {
    /// Prints it.
    pub(super) fn print(&self) -> Result<()> {
        writeln!(std::io::stdout(), "{}", serde_json::to_string(self)?)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_follow_the_one_before_is_counted() {
        // Of each key's events, and how many of them do not follow.
        let cases: [(&[(&str, u64)], u64); 5] = [
            (&[("a", 0), ("a", 1), ("b", 0), ("a", 2)], 0),
            (&[("a", 1)], 1),
            (&[("a", 0), ("a", 0)], 1),
            (&[("a", 0), ("a", 2), ("a", 1)], 2),
            (&[("a", 0), ("b", 1)], 1),
        ];
        for (events, expected) in cases {
            let mut finished = Finished::new(events.len() as u64);
            finished.begin();
            assert!(finished.report().is_none(), "{events:?} are not finished");
            for (key, sequence) in events {
                finished.finish(&event(key, *sequence));
            }
            let report = finished.report().map(|report| (report.records, report.out_of_order));
            assert_eq!(report, Some((events.len() as u64, expected)), "{events:?}");
        }
    }

    fn event(key: &str, sequence: u64) -> MessageEvent {
        let (r#type, tenant_id, content) = (String::new(), String::new(), String::new());
        MessageEvent { r#type, sequence, key: key.to_owned(), tenant_id, content }
    }
}
