//! What the source tells, told to the worker.

use thalweg_connectors::kafka::event::{PartitionPosition, SourceEvent};
use thalweg_core::exactly_once::StatefulOperator;
use thalweg_core::position::PartitionId;
use thalweg_core::time::Now;
use thalweg_core::worker::{FetchId, PartitionName, Positions};

use super::super::events::FENCED_AFTER_LOSS_MS;
use super::super::thread::Ending;
use super::looping::Driver;

impl<O: StatefulOperator> Driver<O> {
    pub(super) fn poll_source(&mut self, now: Now) {
        for event in self.source.poll_events() {
            self.tell(event, now);
            self.obey(now);
        }
    }

    fn tell(&mut self, event: SourceEvent, now: Now) {
        match event {
            SourceEvent::Assigned(ids) => self.assigned(&ids, now),
            SourceEvent::Revoked(ids) => {
                tracing::info!(partitions = %self.names(&ids), "partitions revoked");
                self.counted.rebalances += 1;
                self.forget(&ids);
                self.worker.revoked(ids, now);
            }
            SourceEvent::Lost(ids) => {
                tracing::warn!(partitions = %self.names(&ids), "partitions lost: the group has given them away");
                self.counted.rebalances += 1;
                self.lost_ms = Some(now.uptime_ms);
                self.forget(&ids);
                self.worker.lost(ids, now);
            }
            SourceEvent::Positions { fetch, found } => self.positioned(fetch, found, now),
            SourceEvent::Committed { .. } => unreachable!("offsets are committed in transactions"),
            SourceEvent::OffsetOutOfRange { partition, offset, reason } => {
                let partition_name = self.names(&[partition]);
                tracing::warn!(partition = %partition_name, offset, "the log does not hold this offset: {reason}");
                self.changelogs.stop(&[partition]);
                self.local.forget(&[partition]);
                self.worker.out_of_range(partition, now);
            }
            SourceEvent::PartitionFailed { partition, reason } => {
                let name = self.names(&[partition]);
                self.fail(format!("records of {name} can't be read, and are not skipped: {reason}"), now);
            }
            SourceEvent::InstanceIdTaken(reason) => {
                tracing::warn!("not let into the group yet, trying again: {reason}");
                self.joins_anew = true;
            }
            SourceEvent::Fatal(reason) if self.counted.joined => self.give_up_source(&reason, now),
            SourceEvent::Fatal(reason) => self.fail(format!("the Kafka client can't go on: {reason}"), now),
            // The client had come back by itself as another member: what fenced it is itself.
            SourceEvent::Fenced(reason) if self.lost_lately(now) => self.give_up_source(&reason, now),
            SourceEvent::Fenced(reason) => {
                let why = "another member has the same instance id (kafka.group.instance_id must differ)";
                self.fail(format!("the group has put another in our place: {why}: {reason}"), now);
            }
            SourceEvent::Warning(reason) => tracing::warn!("kafka: {reason}"),
        }
    }

    fn lost_lately(&self, now: Now) -> bool {
        self.lost_ms.is_some_and(|lost_ms| now.uptime_ms.saturating_sub(lost_ms) < FENCED_AFTER_LOSS_MS)
    }

    fn forget(&mut self, ids: &[PartitionId]) {
        self.reading.stop(ids);
        self.changelogs.stop(ids);
        self.local.forget(ids);
        self.rebuilds.forget(ids);
    }

    /// What the source was given is lost with it; a new one goes on from what is committed.
    fn give_up_source(&mut self, reason: &str, now: Now) {
        tracing::warn!("the Kafka client can't go on, beginning anew with another: {reason}");
        let ids: Vec<_> = self.worker.progress().map(|progress| progress.partition).collect();
        self.forget(&ids);
        self.worker.lost(ids, now);
        self.counted.joined = false;
        self.joins_anew = true;
    }

    fn assigned(&mut self, ids: &[PartitionId], now: Now) {
        self.counted.joined = true;
        if ids.is_empty() {
            // Who keeps what it has is told that it gets nothing further.
            if self.worker.progress().next().is_none() {
                tracing::info!("the group has no partition to give");
            }
            return;
        }
        tracing::info!(partitions = %self.names(ids), "partitions assigned");
        self.counted.rebalances += 1;
        let named = ids.iter().filter_map(|id| {
            let (topic, number) = self.source.partitions().name(*id)?;
            Some((*id, PartitionName { topic: topic.into(), number }))
        });
        let named: Vec<_> = named.collect();
        // It has no changelog, and keys of others are in it now.
        if named.iter().any(|(_, name)| name.number.unsigned_abs() >= self.partitions) {
            self.failed.get_or_insert(Ending::TopicGrew);
            self.stop(now);
            return;
        }
        self.rebuilds.begin(ids, now);
        self.worker.assigned(named, now);
    }

    fn positioned(&mut self, fetch: FetchId, found: Vec<PartitionPosition>, now: Now) {
        let positions = found.into_iter().map(|found| {
            let PartitionPosition { partition, committed, low, high } = found;
            let until = committed.as_ref().map_or(low, |(offset, _)| (*offset).max(low));
            self.rebuilds.positioned(partition, until, high, now);
            self.counted.note_end(partition, high);
            Positions { partition, committed, low, high }
        });
        let positions = positions.collect();
        self.worker.positioned(fetch, positions, now);
    }

    /// Partitions as people name them.
    pub(super) fn names(&self, ids: &[PartitionId]) -> String {
        let names = ids.iter().filter_map(|id| self.source.partitions().name(*id));
        names.map(|(topic, number)| format!("{topic}/{number}")).collect::<Vec<_>>().join(" ")
    }
}
