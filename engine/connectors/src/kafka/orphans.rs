//! Partitions that the group has given to nobody, and how they find an owner.
//!
//! With the cooperative protocol a partition moves in two rounds: its owner gives it up, joins again, and only then the
//! group gives it to another. A static member that is killed between the two comes back under its name, and the
//! coordinator hands it what the first round left it, without a second one (Kafka 4.1,
//! `GroupMetadataManager.updateStaticMemberThenRebalanceOrCompleteJoin`): what it had given up is nobody's, for as long as
//! nobody comes or goes. So a static member that has come (back) looks once whether that is so, and joins again if it is.
//!
//! Partitions that are on their way from one living member to another are nobody's, too, for as long; joining again does them
//! no harm.
//!
//! Once is enough: whoever was handed an assignment without a rebalance joined a stable group, and if it is not stable any
//! more, a round is under way that gives everything away.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};

use super::librdkafka::assigned_in_group;
use super::membership::{Membership, Named};
use super::settings::{Assignment, GroupProtocol, KafkaSettings};

/// How long each question may take: the assignment that waits for it would be started otherwise.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// What a member must know to look for them.
pub(super) struct Orphans {
    group: String,
    topics: Vec<String>,
}

impl Orphans {
    /// `None` for a member that leaves no partitions behind when it is killed: the group waits for one without a name
    /// until its session ends, and then assigns anew; the other protocols move a partition in one round.
    pub(super) fn of(settings: &KafkaSettings, topics: &[&str]) -> Option<Self> {
        let group = &settings.group;
        let in_two_rounds =
            group.protocol == GroupProtocol::Classic && group.assignment == Assignment::CooperativeSticky;
        (in_two_rounds && group.instance_id.is_some()).then(|| Self {
            group: group.id.clone(),
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        })
    }

    /// Answers the partitions that are nobody's; if there are any, the group will assign anew. To be called while the
    /// member's assignment is not answered: only then a subscription, though the same one, makes the client join again
    /// (librdkafka 2.12, `rd_kafka_trigger_waiting_subscribe_maybe`).
    pub(super) fn adopt(&self, consumer: &BaseConsumer<Membership>) -> Result<Vec<Named>, String> {
        let Some(orphans) = self.find(consumer)? else { return Ok(Vec::new()) };
        // One that leaves must not come again.
        if !orphans.is_empty() && !consumer.context().is_closing() {
            let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
            consumer.subscribe(&topics).map_err(|error| error.to_string())?;
        }
        Ok(orphans)
    }

    /// `None` while the group is assigning.
    fn find(&self, consumer: &BaseConsumer<Membership>) -> Result<Option<Vec<Named>>, String> {
        let mut all = Vec::new();
        for topic in &self.topics {
            let found =
                consumer.fetch_metadata(Some(topic), ANSWER_TIMEOUT).map_err(|error| error.to_string())?;
            let partitions = found.topics().iter().flat_map(|described| described.partitions());
            all.extend(partitions.map(|partition| (topic.clone(), partition.id())));
        }
        let assigned =
            assigned_in_group(consumer.client(), &self.group, ANSWER_TIMEOUT).map_err(|(_, text)| text)?;
        Ok(assigned.map(|assigned| {
            all.retain(|named| !assigned.contains(named));
            all
        }))
    }
}
