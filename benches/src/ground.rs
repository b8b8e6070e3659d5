//! What a run under load stands on: a topic of its own, the stand-in, and the group that reads.

use std::time::Duration;

use anyhow::Result;

use crate::programs::indexer::Job;
use crate::programs::instance::Instance;
use crate::programs::stand_in::StandIn;
use crate::topic;

/// An instance that is not ready by then never will be.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// See the module's text. The topic is deleted when it is dropped.
pub(crate) struct Ground<'g> {
    brokers: &'g str,
    topic: String,
    partitions: u32,
    elasticsearch: String,
    _stand_in: Option<StandIn>,
}

impl<'g> Ground<'g> {
    /// With a stand-in of its own that keeps that much of documents.
    pub(crate) fn with_stand_in(brokers: &'g str, what: &str, partitions: u32, keep: &str) -> Result<Self> {
        let stand_in = StandIn::keeping(keep)?;
        let mut ground = Self::before(brokers, what, partitions, stand_in.url.clone())?;
        ground._stand_in = Some(stand_in);
        Ok(ground)
    }

    /// Before an Elasticsearch that is there.
    pub(crate) fn before(
        brokers: &'g str,
        what: &str,
        partitions: u32,
        elasticsearch: String,
    ) -> Result<Self> {
        let topic = format!("thalweg-bench-{what}-{}-{}", std::process::id(), fastrand::u32(..));
        topic::make(brokers, &topic, i32::try_from(partitions)?)?;
        Ok(Self { brokers, topic, partitions, elasticsearch, _stand_in: None })
    }

    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// Starts an instance; they are all of one group.
    pub(crate) fn start(&self, set: &[String]) -> Result<Instance> {
        let job = Job {
            brokers: self.brokers,
            topic: &self.topic,
            group: &self.topic,
            elasticsearch: &self.elasticsearch,
            set: set.to_vec(),
        };
        job.start()
    }

    /// Starts an instance and waits until it has every partition.
    pub(crate) fn start_alone(&self, set: &[String]) -> Result<Instance> {
        let mut indexer = self.start(set)?;
        self.until_alone(&mut indexer)?;
        Ok(indexer)
    }

    /// Waits until the instance has every partition.
    pub(crate) fn until_alone(&self, indexer: &mut Instance) -> Result<()> {
        let partitions = u64::from(self.partitions);
        indexer.until(READY_WITHIN, "given every partition", |metrics| {
            (metrics.sum("thalweg_partitions_assigned", "") == Some(partitions)).then_some(())
        })
    }
}

impl Drop for Ground<'_> {
    fn drop(&mut self) {
        let letters = format!("{}.dlq", self.topic);
        if let Err(error) = topic::delete(self.brokers, &[&self.topic, &letters]) {
            eprintln!("warning: {error:#}");
        }
    }
}
