//! Topics that a flow makes at its start when they are missing.

use thalweg_connectors::kafka::topics::{Kept, TopicShape, Topics};

use super::builder::Flow;
use crate::exit::ExitError;

/// A topic that is made when it is missing; one that is there is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingTopic {
    name: String,
    partitions: u32,
    retention_ms: u64,
}

impl MissingTopic {
    /// With so many partitions, keeping all records for so long.
    #[must_use]
    pub fn keeping(name: &str, partitions: u32, retention_ms: u64) -> Self {
        Self { name: name.to_owned(), partitions, retention_ms }
    }

    /// Its name, and how many partitions it is to have.
    pub(crate) fn shape(&self) -> (String, u32) {
        (self.name.clone(), self.partitions)
    }
}

impl Flow {
    /// Makes these topics at the start, those that are missing. A topic that the flow needs and that is not among them must
    /// be there.
    #[must_use]
    pub fn make_missing(mut self, topics: impl IntoIterator<Item = MissingTopic>) -> Self {
        self.missing_topics.extend(topics);
        self
    }
}

/// Makes what is missing. Blocks.
pub(crate) fn make_missing(flow: &Flow, topics: &Topics) -> Result<(), ExitError> {
    for MissingTopic { name, partitions, retention_ms } in &flow.missing_topics {
        let (partitions, kept) = (*partitions, Kept::For(*retention_ms));
        let shape = TopicShape { partitions, kept, record_bytes_max: None, replicas: None };
        topics.make_if_missing(name, shape).map_err(ExitError::failed)?;
    }
    Ok(())
}
