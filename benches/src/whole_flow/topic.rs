//! The topics of message events that flows read: filled once, used again by later runs.

use anyhow::{Result, bail};

use crate::programs::loadgen::Loadgen;

/// Decides every byte of the topics.
const SEED: &str = "7";

/// Message events: 80 creates, 15 updates and 5 deletes of a hundred, of which 2 are sent twice; none are bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Events {
    pub(crate) records: u64,
    /// Record keys.
    pub(crate) conversations: u32,
    pub(crate) partitions: u32,
}

impl Events {
    /// The name says all that decides its content.
    pub(crate) fn topic(self) -> String {
        let Self { records, conversations, partitions } = self;
        format!("thalweg-bench-events-{records}-of-{conversations}-in-{partitions}")
    }

    /// Fills the topic unless that was done: loadgen leaves a topic that is there as it is. Answers its name.
    pub(crate) fn ensure(self, brokers: &str) -> Result<String> {
        let topic = self.topic();
        let found = crate::topic::held(brokers, &topic)?.unwrap_or(0);
        if found == self.records {
            return Ok(topic);
        }
        if found > 0 {
            bail!("topic {topic} holds {found} records, not {}: delete it", self.records);
        }
        eprintln!("filling {topic} ...");
        let (records, partitions) = (self.records.to_string(), self.partitions.to_string());
        let conversations = self.conversations.to_string();
        let options = ["--partitions", &partitions, "--seed", SEED, "--records", &records];
        let more = ["--profile", "all-out", "--conversations", &conversations];
        let shares = ["--updates", "0.15", "--deletes", "0.05", "--duplicates", "0.02"];
        let options: Vec<_> = options.into_iter().chain(more).chain(shares).map(str::to_owned).collect();
        Loadgen::start(brokers, &topic, &options)?.finish()?;
        Ok(topic)
    }
}
