//! What `message-indexer` writes, learnt once from a stand-in.

use std::fs::File;
use std::io::{BufRead as _, BufReader};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::programs::indexer::Job;
use crate::programs::stand_in::StandIn;
use crate::whole_flow::{Events, index};

/// One write.
#[derive(Debug, Deserialize)]
pub(super) struct Write {
    op: String,
    pub(super) id: String,
    pub(super) version: u64,
    pub(super) source: Box<RawValue>,
}

/// Every write of the topic, in the order in which the stand-in got them.
pub(super) fn of(brokers: &str, events: Events) -> Result<Vec<Write>> {
    eprintln!("learning what is written ...");
    let folder = tempfile::tempdir()?;
    let record = folder.path().join("record.jsonl");
    let stand_in = StandIn::recording(&record)?;
    let (topic, group) = (events.topic(), format!("thalweg-bench-documents-{}", std::process::id()));
    let job = Job { brokers, topic: &topic, group: &group, elasticsearch: &stand_in.url, set: Vec::new() };
    index(&job, events.records)?;
    stand_in.stop()?;
    let mut writes = Vec::new();
    for line in BufReader::new(File::open(&record)?).lines() {
        let line = line?;
        let write: Write = serde_json::from_str(&line).with_context(|| format!("no write: {line}"))?;
        if write.op != "index" {
            bail!("message-indexer only indexes, and yet did this: {line}");
        }
        writes.push(write);
    }
    Ok(writes)
}
