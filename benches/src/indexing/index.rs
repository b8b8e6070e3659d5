//! A fresh index for each arm of each round, made by `message-indexer` so that both write into the same thing.

use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use reqwest::blocking::Client;

use crate::programs;

/// The index; deleted when dropped.
pub(super) struct Index<'i> {
    elasticsearch: &'i str,
    alias: String,
}

impl<'i> Index<'i> {
    /// Makes it, for documents of that topic.
    pub(super) fn make(brokers: &str, elasticsearch: &'i str, topic: &str, name: &str) -> Result<Self> {
        let index = Self { elasticsearch, alias: format!("thalweg-bench-{}-{name}", std::process::id()) };
        let mut command = programs::command("message-indexer")?;
        command
            .arg("--check")
            .args(["--set", &format!("kafka.brokers={brokers}")])
            .args(["--set", &format!("source.topic={topic}")])
            .args(["--set", &format!("elasticsearch.nodes=[\"{elasticsearch}\"]")]);
        for setting in index.settings() {
            command.args(["--set", &setting]);
        }
        let output = command.stdout(Stdio::null()).stderr(Stdio::piped()).output()?;
        if !output.status.success() {
            bail!("the index can't be made:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(index)
    }

    /// What `message-indexer` must be told to write here.
    pub(super) fn settings(&self) -> [String; 2] {
        [format!("elasticsearch.alias={}", self.alias), "elasticsearch.replicas=0".to_owned()]
    }

    /// Where bulk requests go, answered with what an indexer reads and no more.
    pub(super) fn bulk_url(&self) -> String {
        let filter = "filter_path=errors,items.*._id,items.*.status,items.*.error.type,items.*.error.reason";
        format!("{}/{}/_bulk?require_alias=true&{filter}", self.elasticsearch, self.alias)
    }

    /// Holds the index against the topic.
    pub(super) fn verify(&self, brokers: &str, topic: &str) -> Result<()> {
        programs::verify(brokers, topic, &["--elasticsearch", self.elasticsearch, "--alias", &self.alias])
    }
}

impl Drop for Index<'_> {
    fn drop(&mut self) {
        let url = format!("{}/{}-000001", self.elasticsearch, self.alias);
        let deleted = Client::new().delete(&url).send().and_then(|answer| answer.error_for_status());
        if let Err(error) = deleted.with_context(|| format!("can't delete {url}")) {
            eprintln!("warning: {error:#}");
        }
    }
}
