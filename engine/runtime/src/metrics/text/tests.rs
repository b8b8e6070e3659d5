//! The text, read back by a strict reader.

use std::collections::{BTreeMap, BTreeSet};

use thalweg_core::SinkStatus;

use super::*;
use crate::snapshot::{PartitionSnapshot, RestoreCounts, StateSnapshot};

const NOW: Now = Now { uptime_ms: 70_000, unix_ms: 1_700_000_000_000 };

/// A name that has all that must be escaped.
const NASTY: &str = "a\\b\"c\nd";

fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot { taken_ms: 69_900, committed_ms: Some(69_000), ..Snapshot::default() };
    snapshot.accounts.read = 12;
    snapshot.accounts.outcomes = [1, 2, 0, 7, 1];
    snapshot.restarts = 3;
    snapshot.timers_fired = Some(4);
    snapshot.restores =
        Some(RestoreCounts { all: 5, from_snapshot: 4, records: 90, refused: 1, written: 6, failed: 2 });
    for (value, times) in [(0, 1), (3, 5), (40, 1)] {
        snapshot.latencies.end_to_end_ms.record_n(value, times).unwrap();
    }
    snapshot.sizes.flight_effects.record_n(100, 2).unwrap();
    let parked = SinkStatus { parked_keys: 1, parked_since_ms: Some(8_000), ..SinkStatus::default() };
    let probing = SinkStatus { breaker_probing: true, ..SinkStatus::default() };
    let closed = SinkStatus { breaker_closed: true, ..SinkStatus::default() };
    snapshot.sinks = vec![("documents", parked), ("rows", probing), ("dead_letters", closed)];
    snapshot.partitions = vec![PartitionSnapshot {
        topic: NASTY.into(),
        number: 4,
        committed: 90,
        finished: 95,
        done_until: 95,
        open: 1,
        high: Some(100),
        state: Some(StateSnapshot {
            rows: 3,
            timers: 2,
            bytes: 500,
            restoring: true,
            loading: false,
            restore_left: Some(9),
            kept_age_ms: Some(7_000),
            kept_bytes: Some(400),
        }),
    }];
    snapshot
}

fn told() -> Told {
    let letters = [(NASTY.to_owned(), 2)].into();
    let commands = Counted { requests: 9, answers: [0, 4, 0, 2, 1], timeouts: 1, hang_ups: 1, waiting: 1 };
    Told {
        flow: "message-search",
        memory_bytes: 256 << 20,
        snapshots: vec![snapshot(), snapshot()],
        letters,
        commands: Some(commands),
        shown: vec![ViewCounted {
            topic: NASTY.to_owned(),
            records: 3,
            bytes: 700,
            undecodable: 1,
            ready: true,
            lag: 2,
        }],
    }
}

/// The samples of one family, by name and labels.
type Samples = BTreeMap<(String, BTreeMap<String, String>), f64>;

#[derive(Debug, Default)]
struct Read {
    kinds: BTreeMap<String, String>,
    samples: Samples,
}

impl Read {
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let labels = labels.chain([("flow".to_owned(), "message-search".to_owned())]).collect();
        let found = self.samples.get(&(name.to_owned(), labels));
        *found.unwrap_or_else(|| panic!("no {name} with these labels"))
    }
}

fn is_name(name: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_') && name.chars().all(plain)
}

/// Reads labels behind the `{`; answers them with what follows the `}`.
fn labels(mut rest: &str) -> (BTreeMap<String, String>, &str) {
    let mut labels = BTreeMap::new();
    loop {
        let (name, after) = rest.split_once("=\"").unwrap();
        assert!(is_name(name), "{name:?}");
        let (mut value, mut letters) = (String::new(), after.chars());
        loop {
            match letters.next().unwrap() {
                '"' => break,
                '\\' => value.push(match letters.next().unwrap() {
                    'n' => '\n',
                    escaped @ ('\\' | '"') => escaped,
                    other => panic!("\\{other} is no escape"),
                }),
                letter => value.push(letter),
            }
        }
        assert!(labels.insert(name.to_owned(), value).is_none(), "{name} stands twice");
        match letters.as_str().split_at(1) {
            (",", after) => rest = after,
            ("}", after) => return (labels, after),
            (other, _) => panic!("{other:?} behind a label"),
        }
    }
}

/// Reads the text as strictly as its format is described.
fn read(text: &str) -> Read {
    assert!(text.ends_with('\n'));
    let (mut read, mut family) = (Read::default(), None);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(is_name(name) && !help.is_empty());
            let kind = lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {name} "))).unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{kind}");
            assert!(read.kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} stands twice");
            family = Some((name.to_owned(), kind));
            continue;
        }
        let (name, rest) = line.split_once('{').unwrap();
        let (labels, rest) = labels(rest);
        let (family, kind) = family.as_ref().unwrap();
        let suffix = name.strip_prefix(family.as_str()).unwrap();
        let allowed: &[&str] = if *kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(allowed.contains(&suffix), "{line}");
        assert_eq!(labels.contains_key("le"), suffix == "_bucket", "{line}");
        let value: f64 = rest.strip_prefix(' ').unwrap().parse().unwrap();
        assert!(value.is_finite() && value >= 0.0, "{line}");
        assert!(read.samples.insert((name.to_owned(), labels), value).is_none(), "{line} stands twice");
    }
    read
}

#[test]
fn a_strict_reader_reads_every_metric() {
    let read = read(&text(&[told()], NOW));
    assert_eq!(read.kinds.len(), METRICS.len());
    for metric in METRICS {
        assert_eq!(read.kinds[metric.name], metric.kind.name());
        let mut of_it = read.samples.keys().filter(|(name, _)| match metric.kind {
            super::super::Kind::Histogram => name.strip_suffix("_bucket") == Some(metric.name),
            _ => name == metric.name,
        });
        let Some((_, labels)) = of_it.next() else {
            // What has not happened yet has no value.
            assert!(["thalweg_first_effect_seconds", "thalweg_rebuild_seconds"].contains(&metric.name));
            continue;
        };
        let told: BTreeSet<_> = labels.keys().map(String::as_str).filter(|name| *name != "le").collect();
        assert_eq!(told, metric.labels().iter().copied().collect(), "{}", metric.name);
    }
}

#[test]
fn values_are_those_of_the_snapshot() {
    let read = read(&text(&[told()], NOW));
    let of_one =
        |name: &str, labels: &[(&str, &str)]| read.value(name, &[labels, &[("worker", "1")]].concat());
    assert_eq!(of_one("thalweg_records_total", &[("outcome", "delivered")]), 7.0);
    assert_eq!(of_one("thalweg_records_open", &[]), 1.0);
    assert_eq!(of_one("thalweg_lag_records", &[("topic", NASTY), ("partition", "4")]), 5.0);
    let of_state = |name: &str| of_one(name, &[("topic", NASTY), ("partition", "4")]);
    let state = ["rows", "timers", "bytes"].map(|what| of_state(&format!("thalweg_state_{what}")));
    assert_eq!((state, of_state("thalweg_restore_left_records")), ([3.0, 2.0, 500.0], 9.0));
    let restores = ["restores", "restores_from_snapshot", "restored_records"]
        .map(|what| format!("thalweg_{what}_total"));
    assert_eq!(restores.map(|name| of_one(&name, &[])), [5.0, 4.0, 90.0]);
    let snapshots = ["refused", "written", "failed"].map(|what| format!("thalweg_snapshots_{what}_total"));
    assert_eq!(snapshots.map(|name| of_one(&name, &[])), [1.0, 6.0, 2.0]);
    assert_eq!((of_state("thalweg_snapshot_age_seconds"), of_state("thalweg_snapshot_bytes")), (7.0, 400.0));
    assert_eq!(of_one("thalweg_timers_fired_total", &[]), 4.0);
    assert_eq!(of_one("thalweg_commit_age_seconds", &[]), 1.0);
    assert_eq!(of_one("thalweg_worker_restarts_total", &[]), 3.0);
    assert_eq!(of_one("thalweg_parked_longest_seconds", &[("sink", "documents")]), 62.0);
    assert_eq!(of_one("thalweg_parked_longest_seconds", &[("sink", "rows")]), 0.0);
    let states = |sink| {
        ["closed", "open", "probing"]
            .map(|state| of_one("thalweg_breaker_state", &[("sink", sink), ("state", state)]))
    };
    assert_eq!(states("documents"), [0.0, 1.0, 0.0]);
    assert_eq!(states("rows"), [0.0, 0.0, 1.0]);
    assert_eq!(states("dead_letters"), [1.0, 0.0, 0.0]);
    assert_eq!(read.value("thalweg_dead_letters_total", &[("reason", NASTY)]), 2.0);
}

#[test]
fn flows_stand_side_by_side_in_each_family() {
    let other = Told { flow: "audit", snapshots: vec![snapshot()], ..told() };
    let read = read(&text(&[told(), other], NOW));
    assert_eq!(read.kinds.len(), METRICS.len());
    let labels =
        [("flow", "audit"), ("worker", "0")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(read.samples[&("thalweg_records_read_total".to_owned(), labels.into())], 12.0);
    assert_eq!(read.value("thalweg_records_read_total", &[("worker", "1")]), 12.0);
    assert_eq!(
        read.value("thalweg_latency_seconds_count", &[("stage", "end_to_end")]),
        14.0,
        "of its own workers"
    );
}

#[test]
fn histograms_count_all_workers_and_their_buckets_add_up() {
    let read = read(&text(&[told()], NOW));
    let stage = ("stage", "end_to_end");
    let up_to = |le| read.value("thalweg_latency_seconds_bucket", &[stage, ("le", le)]);
    assert_eq!(
        ["0.001", "0.003", "0.025", "0.05", "1800", "+Inf"].map(up_to),
        [2.0, 12.0, 12.0, 14.0, 14.0, 14.0]
    );
    assert_eq!(read.value("thalweg_latency_seconds_count", &[stage]), 14.0);
    assert!((read.value("thalweg_latency_seconds_sum", &[stage]) - 0.110).abs() < 1e-9);
    assert_eq!(read.value("thalweg_latency_seconds_count", &[("stage", "flight")]), 0.0);
    assert_eq!(read.value("thalweg_flight_effects_bucket", &[("le", "50")]), 0.0);
    assert_eq!(read.value("thalweg_flight_effects_bucket", &[("le", "100")]), 4.0);
    assert_eq!(read.value("thalweg_flight_effects_sum", &[]), 400.0);
    // Buckets of every histogram grow, and the last is the count.
    for ((name, labels), count) in read.samples.iter().filter(|((name, _), _)| name.ends_with("_count")) {
        let bucket = name.replace("_count", "_bucket");
        let mut buckets: Vec<(f64, f64)> = read
            .samples
            .iter()
            .filter(|((name, found), _)| {
                *name == bucket && labels.iter().all(|(label, value)| found.get(label) == Some(value))
            })
            .map(|((_, found), value)| (found["le"].parse().unwrap(), *value))
            .collect();
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        assert!(buckets.is_sorted_by(|one, other| one.1 <= other.1), "{name}");
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{name}");
    }
}
