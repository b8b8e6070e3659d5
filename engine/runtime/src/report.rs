//! The report at the end: where every record went. For people, or as one JSON object on a line of its own.

use hdrhistogram::Histogram;
use indicatif::HumanCount;
use serde::Serialize;
use thalweg_core::measured::Latencies;
use thalweg_core::outcome::Outcome;
use thalweg_core::worker::Accounts;

use crate::demo::{Told, Verified};
use crate::exit::ExitError;
use crate::progress::milliseconds;
use crate::snapshot::Snapshot;

/// How the report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON object as the last line.
    Json,
}

/// What became of the records of all workers.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    flow: &'static str,
    /// From the start of the workers to their end.
    seconds: f64,
    /// Records read, without those read again after a restart.
    records: u64,
    delivered: u64,
    filtered: u64,
    duplicates: u64,
    superseded: u64,
    dead_lettered: u64,
    /// Left to the next owner of their partition.
    given_up: u64,
    /// Without an outcome, as the partitions count them: nothing here is what is left of something else.
    in_flight: u64,
    /// Whether `records` is the sum of the seven below it.
    adds_up: bool,
    records_per_second: f64,
    /// Of what was delivered; absent: nothing was.
    end_to_end_ms: Option<Quantiles>,
    /// Read again after a restart, only to rebuild the dedupe window.
    read_again: u64,
    /// Passed over after a restart, because they were finished before.
    finished_before: u64,
    /// What a verifier found beside all this, where there was one.
    #[serde(flatten)]
    verified: Option<Checked>,
}

/// What comes from the verifier of a demo, which read every record from the first one on, and not from our own counters.
#[derive(Debug, Serialize)]
struct Checked {
    #[serde(flatten)]
    found: Verified,
    /// Of workers and their Kafka clients; broker, index, writer and verifier apart.
    engine_cpu_seconds_per_million: f64,
}

/// Within 1 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Quantiles {
    p50: u64,
    p99: u64,
    p99_9: u64,
    max: u64,
}

impl Quantiles {
    fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let at = |quantile| histogram.value_at_quantile(quantile);
        (!histogram.is_empty()).then(|| Self {
            p50: at(0.5),
            p99: at(0.99),
            p99_9: at(0.999),
            max: histogram.max(),
        })
    }
}

impl Report {
    /// Of the workers' last snapshots, after so many seconds.
    pub(crate) fn of(flow: &'static str, snapshots: &[Snapshot], seconds: f64) -> Self {
        let (mut accounts, mut latencies) = (Accounts::default(), Latencies::default());
        for snapshot in snapshots {
            accounts += &snapshot.accounts;
            latencies += &snapshot.latencies;
        }
        let partitions = snapshots.iter().flat_map(|snapshot| &snapshot.partitions);
        let in_flight = partitions.map(|partition| partition.open as u64).sum();
        let ended: u64 = accounts.outcomes.iter().sum();
        Self {
            flow,
            seconds,
            records: accounts.read,
            delivered: accounts.of(Outcome::Delivered),
            filtered: accounts.of(Outcome::Filtered),
            duplicates: accounts.of(Outcome::Duplicate),
            superseded: accounts.of(Outcome::Superseded),
            dead_lettered: accounts.of(Outcome::DeadLettered),
            given_up: accounts.given_up,
            in_flight,
            adds_up: accounts.read == ended + accounts.given_up + in_flight,
            records_per_second: if seconds > 0.0 { accounts.read as f64 / seconds } else { 0.0 },
            end_to_end_ms: Quantiles::of(&latencies.end_to_end_ms),
            read_again: accounts.rewound,
            finished_before: accounts.finished_before,
            verified: None,
        }
    }

    /// A verifier has looked as well; the engine's threads have used so many seconds of processor time.
    pub(crate) fn verified(&mut self, found: Verified, engine_cpu_seconds: f64) {
        let millions = found.written.max(1) as f64 / 1e6;
        self.verified =
            Some(Checked { found, engine_cpu_seconds_per_million: engine_cpu_seconds / millions });
    }

    /// Prints it to standard output.
    #[expect(clippy::print_stdout, reason = "the answer to whoever stopped the flow")]
    pub(crate) fn print(&self, format: Format) {
        match format {
            Format::Text => print!("{}", self.text()),
            Format::Json => println!("{}", self.json()),
        }
    }

    fn json(&self) -> String {
        serde_json::to_string(self)
            .unwrap_or_else(|error| unreachable!("names and numbers can be written: {error}"))
    }

    fn text(&self) -> String {
        let mut lines = vec![format!("{}: {} records read", self.flow, self.records)];
        let parts = [
            (self.delivered, "delivered"),
            (self.dead_lettered, "dead_lettered"),
            (self.superseded, "superseded"),
            (self.duplicates, "duplicate"),
            (self.filtered, "filtered"),
            (self.given_up, "left to the next owner of their partition"),
            (self.in_flight, "unfinished"),
        ];
        for (index, (count, what)) in parts.into_iter().enumerate() {
            lines.push(format!("  {} {count:>12} {what}", if index == 0 { '=' } else { '+' }));
        }
        if !self.adds_up {
            lines.push(
                "  THIS DOES NOT ADD UP: a record was lost or counted twice, which is a bug".to_owned(),
            );
        }
        if let Some(Quantiles { p50, p99, p99_9, max }) = self.end_to_end_ms {
            let [p50, p99, p99_9, max] = [p50, p99, p99_9, max].map(milliseconds);
            lines.push(format!("end to end: p50 {p50}, p99 {p99}, p99.9 {p99_9}, max {max}"));
        }
        let rate = HumanCount(self.records_per_second as u64);
        lines.push(format!("{rate} records a second, over {:.1} s", self.seconds));
        if let Some(Checked { found, engine_cpu_seconds_per_million }) = &self.verified {
            lines.push(format!(
                "verified from record 0 on: {} written, {} documents found, {} lost, {} reordered, {} wrong",
                found.written, found.documents, found.lost, found.reordered, found.wrong_documents
            ));
            lines.push(format!("engine alone: {engine_cpu_seconds_per_million:.1} CPU-seconds per million"));
        }
        lines.push(format!(
            "beside them, after restarts: {} read again for dedupe, {} passed over as finished before",
            self.read_again, self.finished_before
        ));
        lines.join("\n") + "\n"
    }
}

/// Prints what a demo has to say of itself, behind the reports of the flows.
///
/// # Errors
/// When it says that something is not as it must be.
#[expect(clippy::print_stdout, reason = "the answer to whoever started the demo")]
pub(crate) fn last_words(told: Told, format: Format) -> Result<(), ExitError> {
    match format {
        Format::Text => print!("{}", told.text),
        Format::Json => println!("{}", told.json),
    }
    told.wrong.map_or(Ok(()), |wrong| Err(ExitError::Failed(wrong)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::PartitionSnapshot;

    fn snapshots() -> [Snapshot; 2] {
        let mut one = Snapshot::default();
        one.accounts.read = 2_000;
        // Filtered, duplicate, superseded, delivered, dead-lettered.
        one.accounts.outcomes = [100, 20, 3, 1_800, 4];
        one.accounts.given_up = 70;
        one.latencies.end_to_end_ms.record_n(7, 1_790).unwrap();
        one.latencies.end_to_end_ms.record_n(40, 10).unwrap();
        let partition = |open| PartitionSnapshot {
            topic: "t".into(),
            number: 0,
            committed: 0,
            finished: 0,
            done_until: 0,
            open,
            high: None,
            state: None,
        };
        one.partitions = vec![partition(2), partition(1)];
        let mut other = Snapshot::default();
        (other.accounts.read, other.accounts.outcomes[3]) = (500, 500);
        other.accounts.rewound = 9;
        [one, other]
    }

    /// The numbers behind `=` and `+`.
    fn summands(text: &str) -> Vec<u64> {
        let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix(['=', '+']));
        lines.map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect()
    }

    #[test]
    fn what_is_printed_adds_up() {
        let text = Report::of("search", &snapshots(), 4.0).text();
        assert!(text.starts_with("search: 2500 records read\n"), "{text}");
        assert_eq!(summands(&text), [2_300, 4, 3, 20, 100, 70, 3], "{text}");
        assert_eq!(summands(&text).iter().sum::<u64>(), 2_500);
        assert!(!text.contains("ADD UP"), "{text}");
        assert!(text.contains("\nend to end: p50 7 ms, p99 7 ms, p99.9 40 ms, max 40 ms\n"), "{text}");
        assert!(text.contains("\n625 records a second, over 4.0 s\n"), "{text}");
        assert!(text.contains("9 read again for dedupe"), "{text}");
    }

    #[test]
    fn what_does_not_add_up_says_so() {
        let mut snapshots = snapshots();
        snapshots[0].partitions.pop();
        let report = Report::of("search", &snapshots, 4.0);
        assert!(!report.adds_up && report.text().contains("THIS DOES NOT ADD UP"), "{}", report.text());
    }

    #[test]
    fn as_json_it_is_one_object_on_one_line() {
        let line = Report::of("search", &snapshots(), 4.0).json();
        assert!(!line.contains('\n'));
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        let of = |name: &str| object[name].as_u64().unwrap();
        let names =
            ["delivered", "filtered", "duplicates", "superseded", "dead_lettered", "given_up", "in_flight"];
        assert_eq!(names.map(of).iter().sum::<u64>(), of("records"), "{line}");
        assert_eq!(object["adds_up"], true);
        assert_eq!(object["end_to_end_ms"], serde_json::json!({"p50": 7, "p99": 7, "p99_9": 40, "max": 40}));
        let nothing = Report::of("search", &[], 0.0);
        assert!(nothing.adds_up && nothing.json().contains("\"end_to_end_ms\":null"), "{}", nothing.json());
    }
}
