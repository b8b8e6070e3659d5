//! What dashboards and alert rules ask Prometheus for.
#![allow(dead_code, reason = "every test binary uses some of it")]

pub(crate) mod asked;
pub(crate) mod dashboards;
pub(crate) mod prometheus;
pub(crate) mod promql;

use std::path::PathBuf;

use thalweg::metrics::{Kind, METRICS};

use promql::Selector;

/// A query and where it stands.
#[derive(Debug)]
pub(crate) struct Query {
    /// File and panel, or rule.
    pub(crate) place: String,
    /// PromQL, nothing left to fill in.
    pub(crate) text: String,
}

/// A file or folder below `dashboards/`.
pub(crate) fn path(below: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../dashboards").join(below)
}

/// Its text.
pub(crate) fn text(below: &str) -> String {
    std::fs::read_to_string(path(below)).unwrap_or_else(|error| panic!("{below}: {error}"))
}

/// What in the query no flow shows: metrics that are not in the declared list, labels that a metric does not have.
pub(crate) fn unknown(query: &Query) -> Vec<String> {
    let read = promql::read(&query.text);
    let place = &query.place;
    let mut found = Vec::new();
    let mut any = Vec::new();
    for Selector { name, labels, .. } in &read.selectors {
        let Some(known) = labels_of(name) else {
            found.push(format!("{place}: {name} is not a metric of Thalweg"));
            continue;
        };
        let wrong = labels.iter().filter(|label| !known.contains(&label.as_str()));
        found.extend(wrong.map(|label| format!("{place}: {name} has no label {label}")));
        any.extend(known);
    }
    if read.selectors.is_empty() {
        found.push(format!("{place}: asks for no metric"));
    }
    let wrong = read.grouped_by.iter().filter(|label| !any.contains(&label.as_str()));
    found.extend(wrong.map(|label| format!("{place}: nothing in it has the label {label}")));
    found
}

/// The labels of a series: those declared, and those that Prometheus adds. `None`: there is no such series.
fn labels_of(series: &str) -> Option<Vec<&'static str>> {
    // What Prometheus itself says of each target.
    if series == "up" {
        return Some(vec!["job", "instance"]);
    }
    METRICS.iter().find_map(|metric| {
        let end = series.strip_prefix(metric.name)?;
        let own: &[&str] = match (metric.kind, end) {
            (Kind::Counter | Kind::Gauge, "") | (Kind::Histogram, "_sum" | "_count") => &[],
            (Kind::Histogram, "_bucket") => &["le"],
            _ => return None,
        };
        Some([metric.labels(), own, &["job", "instance"]].concat())
    })
}
