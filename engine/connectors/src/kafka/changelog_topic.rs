//! The topic of a changelog: compacted, and with as many partitions as the source. Blocking; for the start of a flow.

use super::topics::{Kept, TopicDescription, TopicError, TopicShape, Topics};

impl Topics {
    /// Makes the changelog of a flow that reads `source`, when there is none; one that is there must be fit to be one.
    ///
    /// # Errors
    /// As [`Topics::describe`], when the cluster does not make it, when the topic that is there would lose state or have it
    /// in the wrong partitions, and when there is none although the settings' group has read some of the source.
    pub fn ensure_changelog(
        &self,
        topic: &str,
        source: &str,
        partitions: u32,
    ) -> Result<TopicDescription, TopicError> {
        let unfit = |reason: String| TopicError::UnfitChangelog { topic: topic.to_owned(), reason };
        let found = match self.describe(topic) {
            Err(TopicError::Missing { .. }) => {
                // The first start makes it before the first commit.
                if self.committed(source, partitions)?.iter().any(Option::is_some) {
                    return Err(unfit(format!(
                        "it does not exist, but the group has read some of {source}: the state that belongs to its offsets \
                         is gone; bring the topic back, or let the flow begin anew with another group"
                    )));
                }
                let shape =
                    TopicShape { partitions, kept: Kept::Latest, record_bytes_max: None, replicas: None };
                self.ensure(topic, shape)?
            }
            found => found?,
        };
        if found.partitions != partitions {
            return Err(unfit(format!(
                "it has {} partitions, and the source {partitions}: a partition's state lies in the partition of the \
                 same number, and keys have moved if the source has grown; go on with a new group and a new changelog from \
                 the first record, or give the changelog that belongs to this source",
                found.partitions
            )));
        }
        match self.configured(topic, "cleanup.policy")?.as_deref() {
            None | Some("compact") => Ok(found),
            Some(policy) => Err(unfit(format!(
                "its cleanup.policy is {policy:?}, so that state would be removed from it: it must be \"compact\""
            ))),
        }
    }

    /// For how long the topic keeps records that say that a key is gone, at least; `None` when the brokers don't say.
    ///
    /// # Errors
    /// As [`Topics::describe`].
    pub fn delete_retention_ms(&self, topic: &str) -> Result<Option<u64>, TopicError> {
        Ok(self.configured(topic, "delete.retention.ms")?.and_then(|value| value.parse().ok()))
    }
}
