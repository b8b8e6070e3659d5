//! What the source tells, told to the worker.

use thalweg_connectors::kafka::event::{CommitOutcome, PartitionPosition, SourceEvent};
use thalweg_core::operator::Operator;
use thalweg_core::position::PartitionId;
use thalweg_core::time::Now;
use thalweg_core::worker::{CommitResult, FetchId, Positions};

use super::counted::Counted;
use super::looping::Driver;
use super::membership::{Follows, Membership};
use super::old::NewPartition;
use super::rebuild::Rebuilds;
use super::thread::Ending;

impl<O: Operator> Driver<O> {
    pub(super) fn poll_source(&mut self, now: Now) {
        for event in self.source.poll_events() {
            self.tell(event, now);
            self.obey(now);
        }
    }

    fn tell(&mut self, event: SourceEvent, now: Now) {
        match event {
            SourceEvent::Assigned(ids) => self.assigned(ids, now),
            SourceEvent::Revoked(ids) => {
                tracing::info!(partitions = %self.source.partitions().names(&ids), "partitions revoked");
                self.counted.rebalances += 1;
                self.reading.stop(&ids);
                self.rebuilds.forget(&ids);
                self.forget_old(&ids, now);
                self.worker.revoked(ids, now);
            }
            SourceEvent::Lost(ids) => {
                tracing::warn!(partitions = %self.source.partitions().names(&ids), "partitions lost: the group has given them away");
                self.counted.rebalances += 1;
                self.membership.lost(now);
                self.reading.stop(&ids);
                self.rebuilds.forget(&ids);
                self.worker.lost(ids, now);
            }
            SourceEvent::Positions { fetch, found } => self.positioned(fetch, found, now),
            SourceEvent::Committed { outcome, .. } => self.committed(outcome, now),
            SourceEvent::OffsetOutOfRange { partition, offset, reason } => {
                let partition_name = self.source.partitions().names(&[partition]);
                tracing::warn!(partition = %partition_name, offset, "the log does not hold this offset: {reason}");
                self.worker.out_of_range(partition, now);
            }
            SourceEvent::PartitionFailed { partition, reason } => {
                let name = self.source.partitions().names(&[partition]);
                self.fail(format!("records of {name} can't be read, and are not skipped: {reason}"), now);
            }
            SourceEvent::InstanceIdTaken(reason) => self.membership.refused(&reason),
            SourceEvent::Fatal(reason) => self.follow(Membership::broken(reason, self.counted.joined), now),
            SourceEvent::Fenced(reason) => self.follow(self.membership.fenced(reason, now), now),
            SourceEvent::Warning(reason) => tracing::warn!("kafka: {reason}"),
        }
    }

    fn follow(&mut self, follows: Follows, now: Now) {
        match follows {
            Follows::AnotherSource(reason) => self.give_up_source(&reason, now),
            Follows::Failure(reason) => self.fail(reason, now),
        }
    }

    /// What the source was given is lost with it; a new one goes on from what is committed.
    fn give_up_source(&mut self, reason: &str, now: Now) {
        tracing::warn!("the Kafka client can't go on, beginning anew with another: {reason}");
        let ids: Vec<_> = self.worker.progress().map(|progress| progress.partition).collect();
        self.reading.stop(&ids);
        self.rebuilds.forget(&ids);
        self.worker.lost(ids, now);
        self.counted.joined = false;
        self.membership.joins_anew = true;
    }

    fn assigned(&mut self, ids: Vec<PartitionId>, now: Now) {
        self.counted.joined = true;
        if ids.is_empty() {
            // Who keeps what it has is told that it gets nothing further.
            if self.worker.progress().next().is_none() {
                tracing::info!("the group has no partition to give");
            }
            return;
        }
        tracing::info!(partitions = %self.source.partitions().names(&ids), "partitions assigned");
        self.counted.rebalances += 1;
        let ids = match self.leave_new_alone(ids) {
            Ok(ids) => ids,
            Err(NewPartition) => {
                self.failed.get_or_insert(Ending::TopicGrew);
                self.stop(now);
                return;
            }
        };
        if ids.is_empty() {
            return;
        }
        self.rebuilds.begin(&ids, now);
        self.worker.assigned(self.source.partitions().named(&ids), now);
    }

    fn positioned(&mut self, fetch: FetchId, found: Vec<PartitionPosition>, now: Now) {
        let positions = positions(found, &mut self.rebuilds, &mut self.counted, now);
        self.worker.positioned(fetch, positions, now);
    }

    fn committed(&mut self, outcome: CommitOutcome, now: Now) {
        self.counted.commits += 1;
        let result = match outcome {
            CommitOutcome::Committed => {
                self.counted.committed_ms = Some(now.uptime_ms);
                CommitResult::Done
            }
            CommitOutcome::Fenced(reason) => {
                self.counted.commits_failed += 1;
                CommitResult::Fenced(reason)
            }
            CommitOutcome::Failed(reason) => {
                self.counted.commits_failed += 1;
                CommitResult::Failed(reason)
            }
        };
        self.worker.committed(result, now);
    }
}

/// Where reading begins, and how far there is to go.
pub(super) fn positions(
    found: Vec<PartitionPosition>,
    rebuilds: &mut Rebuilds,
    counted: &mut Counted,
    now: Now,
) -> Vec<Positions> {
    let positions = found.into_iter().map(|PartitionPosition { partition, committed, low, high }| {
        let until = committed.as_ref().map_or(low, |(offset, _)| (*offset).max(low));
        rebuilds.positioned(partition, until, high, now);
        counted.note_end(partition, high);
        Positions { partition, committed, low, high }
    });
    positions.collect()
}
