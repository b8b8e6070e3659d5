//! `engine/METRICS.md`, made from the list. To write it anew:
//! `THALWEG_WRITE_DOCS=1 cargo test -p thalweg documentation`.

use std::fmt::Write as _;
use std::path::Path;

use super::{METRICS, STAGES};

const HEAD: &str = "\
# Metrics

<!-- Made from engine/runtime/src/metrics/list.rs; do not edit. To write it anew:
     THALWEG_WRITE_DOCS=1 cargo test -p thalweg documentation -->

Every pipeline serves them at `/metrics` of its admin page, as Prometheus reads them. `flow` tells the
flows of a process apart, and `worker` is the number of the worker in its flow. Partitions are shown by the worker that they are assigned to; sinks include `dead_letters`.
Counters and histograms begin at 0 with the process.

| name | kind | unit | labels | what it says |
|---|---|---|---|---|
";

const STAGES_HEAD: &str = "
## Stages of `thalweg_latency_seconds`

Times are told within 1 %, in steps of 1 ms, and what takes longer than an hour counts as an hour. Where the log's
timestamp is in the future (two clocks), the time is 0; records without a timestamp are not measured. The producer sets
the timestamp, unless the topic says `message.timestamp.type=LogAppendTime`.

| stage | what is measured |
|---|---|
";

fn document() -> String {
    let mut text = HEAD.to_owned();
    for metric in METRICS {
        let labels: Vec<_> = metric.labels().iter().map(|label| format!("`{label}`")).collect();
        let (name, kind, unit, help) = (metric.name, metric.kind.name(), metric.unit(), metric.help);
        // Writing to a String can't fail.
        let _ = writeln!(text, "| `{name}` | {kind} | {unit} | {} | {help} |", labels.join(" "));
    }
    text += STAGES_HEAD;
    for stage in &STAGES {
        let _ = writeln!(text, "| `{}` | {} |", stage.name, stage.help);
    }
    text
}

#[test]
fn the_page_says_what_the_list_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../METRICS.md");
    if std::env::var_os("THALWEG_WRITE_DOCS").is_some() {
        std::fs::write(&path, document()).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        page == document(),
        "engine/METRICS.md is not what the list says; THALWEG_WRITE_DOCS=1 cargo test -p thalweg documentation"
    );
}

#[test]
fn names_are_as_prometheus_wants_them() {
    let mut names: Vec<_> = METRICS.iter().map(|metric| metric.name).collect();
    for metric in METRICS {
        let name = metric.name;
        let plain = |letter: char| letter.is_ascii_lowercase() || letter == '_';
        assert!(name.starts_with("thalweg_") && name.chars().all(plain), "{name}");
        assert_eq!(name.ends_with("_total"), metric.kind == super::Kind::Counter, "{name}");
        for end in ["_count", "_sum", "_bucket", "_ms", "_millis", "_info", "_kilobytes"] {
            assert!(!name.ends_with(end), "{name}");
        }
        assert!(!metric.help.is_empty() && !metric.help.contains(['\n', '|']), "{name}");
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), METRICS.len(), "a name stands twice");
}
