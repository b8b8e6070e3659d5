//! The topics that one life of an arm writes, and their names.

use std::time::Duration;

use anyhow::{Context as _, Result};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::arm::{Arm, Job};
use crate::topic;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// See the module's text. Everything whose name begins with the group's is deleted when it is dropped, so also what the arm
/// has made by itself.
pub(super) struct Scene {
    pub(super) job: Job,
}

impl Scene {
    /// Makes the topics for the copies of a source.
    pub(super) fn new(arm: Arm, source: &str, partitions: i32, told: &Told) -> Result<Self> {
        let group =
            format!("thalweg-bench-exactly-once-{}-{}-{}", arm.name(), std::process::id(), fastrand::u32(..));
        let job = Job {
            brokers: told.brokers.clone(),
            source: source.to_owned(),
            copies: format!("{group}-copies"),
            counts: format!("{group}-counts"),
            changelog: format!("{group}-changelog"),
            group,
            window: told.window,
            commit_interval_ms: told.commit_interval_ms,
        };
        topic::make(&job.brokers, &job.copies, partitions)?;
        topic::make(&job.brokers, &job.counts, partitions)?;
        if arm == Arm::Bare {
            topic::make(&job.brokers, &job.changelog, partitions)?;
        }
        Ok(Self { job })
    }

    /// Records of changelogs that the arm has written, markers of transactions among them.
    pub(super) fn changelog_records(&self) -> Result<u64> {
        let mut sum = 0;
        for name in self.names()?.iter().filter(|name| name.contains("changelog")) {
            sum += topic::held(&self.job.brokers, name)?.unwrap_or_default();
        }
        Ok(sum)
    }

    fn names(&self) -> Result<Vec<String>> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.job.brokers);
        let client: BaseConsumer = config.create()?;
        let all = client.fetch_metadata(None, ANSWER_WITHIN).context("no broker answers")?;
        let names = all.topics().iter().map(|topic| topic.name().to_owned());
        Ok(names.filter(|name| name.starts_with(&self.job.group)).collect())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let deleted = self.names().and_then(|names| {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            topic::delete(&self.job.brokers, &names)
        });
        if let Err(error) = deleted {
            eprintln!("warning: {error:#}");
        }
    }
}

/// What is the same for all arms.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) brokers: String,
    pub(super) window: u64,
    pub(super) commit_interval_ms: u64,
}
