//! What an instance says of itself on its admin page.

use std::time::Duration;

use reqwest::blocking::Client;

/// An instance answers within milliseconds, or is suspended or gone.
const ANSWER_WITHIN: Duration = Duration::from_millis(700);

/// The metrics that the runs read.
pub(crate) mod names {
    /// Records whose outcome is open.
    pub(crate) const OPEN: &str = "thalweg_records_open";
    /// Records read.
    pub(crate) const READ: &str = "thalweg_records_read_total";
    /// Records that ended, by `outcome`.
    pub(crate) const ENDED: &str = "thalweg_records_total";
    /// Records between what is finished and the end, by partition.
    pub(crate) const LAG: &str = "thalweg_lag_records";
    /// Partitions assigned.
    pub(crate) const PARTITIONS: &str = "thalweg_partitions_assigned";
    /// Keys that wait for a retry or a dead letter, by sink.
    pub(crate) const PARKED: &str = "thalweg_keys_parked";
    /// Whether a sink's breaker is not closed (1), by sink.
    pub(crate) const BREAKER: &str = "thalweg_breaker_open";
    /// Bytes reserved from the budget.
    pub(crate) const RESERVED: &str = "thalweg_memory_reserved_bytes";
    /// Partitions given, taken, lost.
    pub(crate) const REBALANCES: &str = "thalweg_rebalances_total";
    /// Transactions that have ended, of exactly-once flows.
    pub(crate) const COMMITS: &str = "thalweg_commits_total";
    /// Those that are there as soon as something was read.
    pub(super) const ALWAYS: [&str; 8] =
        [OPEN, READ, ENDED, PARTITIONS, PARKED, BREAKER, RESERVED, REBALANCES];
}

/// The metrics of one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scrape(String);

impl Scrape {
    /// The sum over all labels of the metric.
    pub(crate) fn sum(&self, name: &str) -> u64 {
        self.sum_where(name, "")
    }

    /// The sum over those whose labels contain `label`, as in `outcome="delivered"`.
    pub(crate) fn sum_where(&self, name: &str, label: &str) -> u64 {
        let values = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.rsplit_once('}')?,
                None if rest.starts_with(' ') => ("", rest),
                None => return None,
            };
            labels.contains(label).then(|| value.trim().parse::<f64>().ok())?
        });
        values.sum::<f64>() as u64
    }

    /// How many values the metric has.
    pub(crate) fn count(&self, name: &str) -> usize {
        let of_it = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        self.0.lines().filter(of_it).count()
    }

    /// A metric that should be there and is not: its absence must not pass for a 0.
    pub(crate) fn lacks(&self) -> Option<&'static str> {
        // A worker that has read nothing may not have shown itself yet.
        let shown = self.count(names::READ) == 0 || self.sum(names::READ) > 0;
        names::ALWAYS.into_iter().find(|name| shown && self.count(name) == 0)
    }

    /// Records that a sink has answered for since the instance started.
    pub(crate) fn effects(&self) -> u64 {
        ["delivered", "superseded", "dead_lettered"]
            .iter()
            .map(|outcome| self.sum_where(names::ENDED, &format!("outcome=\"{outcome}\"")))
            .sum()
    }
}

/// Asks instances.
pub(crate) struct Asker(Client);

impl Asker {
    /// One for a whole run.
    pub(crate) fn new() -> Result<Self, thalweg_testbed::TestbedError> {
        let client = Client::builder().no_proxy().timeout(ANSWER_WITHIN).build();
        client.map(Self).map_err(|error| super::failed("the HTTP client", error))
    }

    /// The metrics of the instance whose admin page is at `port`, if it answers.
    pub(crate) fn metrics(&self, port: u16) -> Option<Scrape> {
        let answer = self.0.get(format!("http://127.0.0.1:{port}/metrics")).send().ok()?;
        answer.status().is_success().then(|| answer.text().ok().map(Scrape))?
    }

    /// Whether it says that it is ready.
    pub(crate) fn is_ready(&self, port: u16) -> bool {
        let answer = self.0.get(format!("http://127.0.0.1:{port}/readyz")).send();
        answer.is_ok_and(|answer| answer.status().is_success())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_summed_over_labels_of_exactly_that_name() {
        let text = "# HELP a_total about a\n# TYPE a_total counter\na_total{x=\"1\",y=\"}\"} 2\na_total{x=\"2\"} 3\n\
                    a_total_more 100\nb 4.5e1\nc{} NaN\n";
        let scrape = Scrape(text.to_owned());
        assert_eq!(scrape.sum("a_total"), 5);
        assert_eq!(scrape.sum_where("a_total", "x=\"2\""), 3);
        assert_eq!(scrape.sum("b"), 45);
        assert_eq!(scrape.sum("absent"), 0);
        assert_eq!([scrape.count("a_total"), scrape.count("b"), scrape.count("a")], [2, 1, 0]);
        assert_eq!(scrape.lacks(), Some(names::OPEN));
        assert_eq!(Scrape(format!("{} 0\n", names::READ)).lacks(), None);
        assert_eq!(Scrape(format!("{} 1\n{} 0\n", names::READ, names::OPEN)).lacks(), Some(names::ENDED));
    }
}
