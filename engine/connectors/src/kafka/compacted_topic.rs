//! Topics that hold the latest record of each key. Blocking; for the start of a flow.

use rdkafka::admin::ResourceSpecifier;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

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
        match self.configured(topic, "cleanup.policy")? {
            Some(policy) if policy != "compact" => {
                Err(TopicError::NotCompacted { topic: topic.to_owned(), policy })
            }
            _ => Ok(found),
        }
    }

    /// What the topic has for that setting; `None` when the brokers don't say, as the embedded broker, which has none.
    pub(super) fn configured(&self, topic: &str, setting: &str) -> Result<Option<String>, TopicError> {
        let (admin, options) = self.admin()?;
        // Together with what a broker itself has, the question goes to that broker.
        let asked = [ResourceSpecifier::Topic(topic), ResourceSpecifier::Broker(self.a_broker(topic)?)];
        let found = match self.wait(topic, admin.describe_configs(&asked, &options)) {
            Err(TopicError::Client(KafkaError::AdminOp(RDKafkaErrorCode::UnsupportedFeature))) => {
                return Ok(None);
            }
            found => found?,
        };
        // In the order in which they were asked for.
        let Some(Ok(config)) = found.into_iter().next() else { return Ok(None) };
        Ok(config.entry_map().get(setting).and_then(|entry| entry.value.clone()))
    }
}
