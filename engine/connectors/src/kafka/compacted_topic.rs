//! Topics that hold the latest record of each key. Blocking; for the start of a flow.

use rdkafka::admin::ResourceSpecifier;
use rdkafka::error::RDKafkaErrorCode;

use super::topics::{Kept, TopicDescription, TopicError, TopicShape, Topics};

impl Topics {
    /// Makes the topic, with that many partitions, when there is none; one that is there must be compacted, and is
    /// otherwise left as it is.
    ///
    /// # Errors
    /// As [`Topics::describe`], when the cluster does not make it, and when the topic that is there loses records that are
    /// the latest of their key.
    pub fn ensure_compacted(&self, topic: &str, partitions: u32) -> Result<TopicDescription, TopicError> {
        let found = match self.describe(topic) {
            Err(TopicError::Missing { .. }) => {
                let shape =
                    TopicShape { partitions, kept: Kept::Latest, record_bytes_max: None, replicas: None };
                self.ensure(topic, shape)?
            }
            found => found?,
        };
        match self.configured(topic, "cleanup.policy") {
            Ok(None) => Ok(found),
            Ok(Some(policy)) if policy == "compact" => Ok(found),
            Ok(Some(policy)) => Err(TopicError::NotCompacted { topic: topic.to_owned(), policy }),
            // The embedded broker has no policies.
            Err(TopicError::Client(error))
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnsupportedFeature) =>
            {
                Ok(found)
            }
            Err(error) => Err(error),
        }
    }

    /// What the topic has for that setting; `None` when the brokers don't say.
    pub(super) fn configured(&self, topic: &str, setting: &str) -> Result<Option<String>, TopicError> {
        let (admin, options) = self.admin()?;
        let asked = [ResourceSpecifier::Topic(topic)];
        let mut found = self.wait(topic, admin.describe_configs(&asked, &options))?;
        let Some(Ok(config)) = found.pop() else { return Ok(None) };
        Ok(config.entry_map().get(setting).and_then(|entry| entry.value.clone()))
    }
}
