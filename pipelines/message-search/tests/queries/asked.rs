//! Whether Prometheus answers what rules and dashboards ask it, after a run in which everything happened that they show.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::dashboards::Dashboard;
use super::prometheus::Prometheus;
use super::{Query, promql};

/// A rate is a number once it has seen two samples; no machine is so loaded that this takes longer.
const PATIENCE: Duration = Duration::from_secs(120);

const POLL: Duration = Duration::from_millis(20);

/// What rules and dashboards ask.
pub(crate) struct Asked {
    pub(crate) queries: Vec<Query>,
    /// Queries whose labels have values to choose from, and those labels.
    variables: Vec<(Query, String)>,
}

impl Asked {
    /// Of an alert every series that it asks for must be there; whether the condition holds is for `promtool test rules`.
    pub(crate) fn by(rules: &[Value], dashboards: &[Dashboard]) -> Self {
        let mut queries = Vec::new();
        for rule in rules {
            let place = format!("alerts.yml: {}", rule["name"]);
            assert_eq!(rule["health"], "ok", "{place}: {}", rule["lastError"]);
            let series = promql::read(rule["query"].as_str().unwrap()).selectors;
            queries
                .extend(series.into_iter().map(|series| Query { place: place.clone(), text: series.text }));
        }
        queries.extend(dashboards.iter().flat_map(Dashboard::queries));
        Self { queries, variables: dashboards.iter().flat_map(Dashboard::variables).collect() }
    }

    /// What has no answer, or was never above 0 and is not among the quiet ones: else a panel was tested with nothing in it.
    pub(crate) fn wrong(self, prometheus: &Prometheus, quiet: &[&str]) -> Vec<String> {
        let mut wrong = Vec::new();
        for (Query { place, text }, label) in &self.variables {
            if !prometheus.label_values(text, label).is_ok_and(|values| values > 0) {
                wrong.push(format!("{place}: no values: {text}"));
            }
        }
        let series: BTreeSet<String> = self
            .queries
            .iter()
            .flat_map(|query| promql::read(&query.text).selectors)
            .map(|selector| selector.name)
            .filter(|name| !quiet.contains(&name.as_str()))
            .collect();
        let flat = series.iter().filter(|name| !prometheus.holds(&format!("max_over_time({name}[1h]) > 0")));
        wrong.extend(flat.map(|name| format!("{name} was never above 0")));
        wrong.extend(unanswered(prometheus, self.queries));
        wrong
    }
}

/// Waits until all have answered with a number; what has not, and what is wrong otherwise.
fn unanswered(prometheus: &Prometheus, mut queries: Vec<Query>) -> Vec<String> {
    let (begun, mut wrong) = (Instant::now(), Vec::new());
    while !queries.is_empty() && begun.elapsed() < PATIENCE {
        queries.retain(|query| match prometheus.numbers(&query.text) {
            Ok(numbers) => numbers == 0,
            Err(error) => {
                wrong.push(format!("{}: {}: {error}", query.place, query.text));
                false
            }
        });
        std::thread::sleep(POLL);
    }
    wrong.extend(queries.iter().map(|query| format!("{}: no data: {}", query.place, query.text)));
    wrong
}
