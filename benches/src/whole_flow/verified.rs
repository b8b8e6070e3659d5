//! One run over a whole topic, with its verdict.

use anyhow::{Context as _, Result};

use super::indexer::{self, Cost};
use super::topic::Events;
use crate::programs;
use crate::programs::indexer::Job;
use crate::programs::stand_in::StandIn;

/// What it costs to index the whole topic, once, into a stand-in; what was written is verified. `group` must be new.
pub(crate) fn cost_of(brokers: &str, events: Events, group: &str) -> Result<Cost> {
    let folder = tempfile::tempdir()?;
    let (topic, record) = (events.topic(), folder.path().join("record.jsonl"));
    let stand_in = StandIn::recording(&record)?;
    let job = Job { brokers, topic: &topic, group, elasticsearch: &stand_in.url, set: Vec::new() };
    let cost = indexer::run(&job, events.records)?;
    stand_in.stop()?;
    let record = record.to_str().context("the record's path is not UTF-8")?;
    programs::verify(brokers, &topic, &["--source", "stand-in", record])?;
    Ok(cost)
}
