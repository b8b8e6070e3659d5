//! A Prometheus of a test's own, which scrapes one indexer each second with the configuration that users get.

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::blocking::Client;
use serde_json::Value;
use tempfile::TempDir;
use thalweg_testbed::private;

use super::text;

/// Started, and asked through its HTTP API.
pub(crate) struct Prometheus {
    server: private::Prometheus,
    client: Client,
    begun: u64,
    _folder: TempDir,
}

fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

impl Prometheus {
    /// With the target `HOST:PORT`.
    pub(crate) fn scraping(target: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let mut configuration = text("prometheus.yml");
        for (users, ours) in [("interval: 15s", "interval: 1s"), ("indexer:9600", target)] {
            assert!(configuration.contains(users), "prometheus.yml has no {users}");
            configuration = configuration.replace(users, ours);
        }
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, configuration).unwrap();
        std::fs::write(folder.path().join("alerts.yml"), text("alerts.yml")).unwrap();
        let server = private::Prometheus::start(&file).unwrap();
        Self { server, client: Client::new(), begun: now_seconds(), _folder: folder }
    }

    fn ask(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, String> {
        let url = format!("{}/api/v1/{path}", self.server.url());
        let mut answer: Value = self.client.get(url).query(query).send().unwrap().json().unwrap();
        if answer["status"] == "success" {
            Ok(answer["data"].take())
        } else {
            Err(answer["error"].to_string())
        }
    }

    /// How many numbers it has answered with since it began; what is not a number does not count.
    pub(crate) fn numbers(&self, query: &str) -> Result<usize, String> {
        let (begun, now) = (self.begun.to_string(), now_seconds().to_string());
        let answer =
            self.ask("query_range", &[("query", query), ("start", &begun), ("end", &now), ("step", "1")])?;
        let series = answer["result"].as_array().unwrap();
        let values = series.iter().flat_map(|series| series["values"].as_array().unwrap());
        let number = |value: &&Value| value[1].as_str().unwrap().parse().is_ok_and(f64::is_finite);
        Ok(values.filter(number).count())
    }

    /// Whether the query, which compares, holds now.
    pub(crate) fn holds(&self, query: &str) -> bool {
        let answer = self.ask("query", &[("query", query)]).unwrap();
        !answer["result"].as_array().unwrap().is_empty()
    }

    /// The values of a label of these series.
    pub(crate) fn label_values(&self, selector: &str, label: &str) -> Result<usize, String> {
        let values = self.ask(&format!("label/{label}/values"), &[("match[]", selector)])?;
        Ok(values.as_array().unwrap().len())
    }

    /// The rules of that group that it has read, as it understood them.
    pub(crate) fn rules(&self, name: &str) -> Vec<Value> {
        let answer = self.ask("rules", &[]).unwrap();
        let groups = answer["groups"].as_array().unwrap().iter().filter(|group| group["name"] == name);
        groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
    }
}
