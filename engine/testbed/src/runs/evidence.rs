//! What the servers themselves say, asked without any code of the engine.

use serde_json::Value;
use thalweg_testbed::TestbedError;
use thalweg_testbed::recipe::kafka::tool;

use super::failed;

const GROUP_TOOL: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";

/// The member ids of the group, sorted: a member that was away, or had to join again, has another one.
pub(crate) fn members(kafka: &str, group: &str) -> Result<Vec<String>, TestbedError> {
    let text = tool(GROUP_TOOL, &["--bootstrap-server", kafka, "--describe", "--members", "--group", group])?;
    let mut members: Vec<String> = column(&text, group, "CONSUMER-ID").collect();
    members.sort_unstable();
    Ok(members)
}

/// How many records lie above the group's committed offsets, by partition; `None`: nothing is committed there.
pub(crate) fn lags(kafka: &str, group: &str) -> Result<Vec<Option<u64>>, TestbedError> {
    let text = tool(GROUP_TOOL, &["--bootstrap-server", kafka, "--describe", "--offsets", "--group", group])?;
    Ok(column(&text, group, "LAG").map(|lag| lag.parse().ok()).collect())
}

/// The sum of [`lags`]; `None` when a partition has none, or the group does not exist.
pub(crate) fn committed_lag(kafka: &str, group: &str) -> Result<Option<u64>, TestbedError> {
    let lags = lags(kafka, group)?;
    Ok(if lags.is_empty() { None } else { lags.into_iter().sum() })
}

/// A column of the tool's table.
fn column<'t>(text: &'t str, group: &'t str, title: &'t str) -> impl Iterator<Item = String> + 't {
    let index = text
        .lines()
        .find_map(|line| line.split_whitespace().position(|word| word == title))
        .unwrap_or(usize::MAX);
    let rows = text.lines().filter(move |line| line.split_whitespace().next() == Some(group));
    rows.filter_map(move |row| row.split_whitespace().nth(index).map(str::to_owned))
}

/// What the index has done since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexWork {
    /// Writes applied.
    pub(crate) writes: u64,
    /// Writes refused because the same or a newer version was there.
    pub(crate) conflicts: u64,
}

/// Asks the index behind the alias.
pub(crate) fn index_work(elasticsearch: &str, alias: &str) -> Result<IndexWork, TestbedError> {
    let answer = get(&format!("{elasticsearch}/{alias}/_stats/indexing"))?;
    let indexing = &answer["_all"]["primaries"]["indexing"];
    let count = |name: &str| {
        indexing[name]
            .as_u64()
            .ok_or_else(|| failed("Elasticsearch", format!("_stats has no {name}: {indexing}")))
    };
    Ok(IndexWork { writes: count("index_total")?, conflicts: count("index_failed_due_to_version_conflict")? })
}

/// The indices behind the alias.
pub(crate) fn indices(elasticsearch: &str, alias: &str) -> Result<Vec<String>, TestbedError> {
    let answer = get(&format!("{elasticsearch}/_alias/{alias}"))?;
    Ok(answer.as_object().into_iter().flat_map(|indices| indices.keys().cloned()).collect())
}

fn get(url: &str) -> Result<Value, TestbedError> {
    let answer = reqwest::blocking::get(url).and_then(reqwest::blocking::Response::error_for_status);
    answer.and_then(reqwest::blocking::Response::json).map_err(|error| failed("Elasticsearch", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_their_title() {
        let text = "\nGROUP  TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG CONSUMER-ID HOST CLIENT-ID\n\
                    g      t     0         5              7              2   a-1         /127 c\n\
                    g      t     1         -              7              -   -           -    -\n";
        assert_eq!(column(text, "g", "LAG").collect::<Vec<_>>(), ["2", "-"]);
        assert_eq!(column(text, "g", "CONSUMER-ID").next().as_deref(), Some("a-1"));
        assert_eq!(column(text, "g", "NOWHERE").count(), 0);
        assert_eq!(column(text, "other", "LAG").count(), 0);
    }
}
