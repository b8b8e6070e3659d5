//! Where reading begins: positions that wait until they are stable, and changelogs read up to where they ended.

use thalweg_core::batch::Batch;
use thalweg_core::position::{Epoch, PartitionId};
use thalweg_core::worker::{FetchId, Positions};

use crate::broker::transactions::Topic;
use crate::checks::Checked;
use crate::life::Incarnation;
use crate::sabotage::DriverBug;
use crate::tally::Count;
use crate::transactional::World;
use crate::transactional::event::{Event, Message, Purpose};
use crate::transactional::plan::Trouble;
use crate::transactional::process::Restoring;

impl World {
    /// A worker's question leaves; some take long to arrive.
    pub(super) fn ask_positions(&mut self, number: usize, fetch: FetchId, partitions: Vec<PartitionId>) {
        for partition in &partitions {
            let end = self.cluster.log(Topic::Changelog, partition.0).high;
            self.processes[number].first_ends.entry(partition.0).or_insert(end);
        }
        let incarnation = self.processes[number].life.incarnation;
        let slow = self.rng.u8(0..100) < 10;
        let delay_ms = if slow { self.rng.u64(100..2_500) } else { self.rng.u64(1..30) };
        self.after(delay_ms, Event::AskPositions(incarnation, fetch, partitions));
    }

    /// The broker answers once no transaction with offsets of these is open; the answer may lie around while the partitions
    /// go to another member and come back.
    pub(super) fn tell_positions(
        &mut self,
        incarnation: Incarnation,
        fetch: FetchId,
        partitions: Vec<PartitionId>,
    ) {
        let Some(number) = self.living(incarnation) else { return };
        let offsets = &self.cluster.offsets;
        let stable = partitions.iter().all(|partition| offsets.is_stable(partition.0));
        if !stable && !self.driver_has(DriverBug::UnstablePositions) {
            self.tally.one(Count::UnstablePositions);
            let delay_ms = self.rng.u64(50..200);
            return self.after(delay_ms, Event::AskPositions(incarnation, fetch, partitions));
        }
        let positions = partitions.iter().map(|partition| {
            let log = &self.log.partitions[partition.index()];
            let committed = offsets.committed[partition.index()].clone();
            Positions { partition: *partition, committed, low: log.low, high: log.high }
        });
        let positions = positions.collect();
        let slow = self.rng.u8(0..100) < 25;
        let delay_ms = if slow { self.rng.u64(200..5_000) } else { self.rng.u64(1..30) };
        self.tell(number, delay_ms, Message::Positioned(fetch, positions));
    }

    /// Asks where the changelog ends.
    pub(super) fn ask_changelog_end(
        &mut self,
        number: usize,
        partition: PartitionId,
        epoch: Epoch,
        purpose: Purpose,
    ) {
        // A question for a snapshot may be asked again for a while, and others may have the partition by then.
        let late = purpose == Purpose::Snapshot && self.rng.u8(0..100) < 25;
        let delay_ms = if late { self.rng.u64(100..5_000) } else { self.rng.u64(1..30) };
        let incarnation = self.processes[number].life.incarnation;
        self.after(delay_ms, Event::AskChangelogEnd(incarnation, partition, epoch, purpose));
    }

    pub(super) fn tell_changelog_end(
        &mut self,
        incarnation: Incarnation,
        partition: PartitionId,
        epoch: Epoch,
        purpose: Purpose,
    ) {
        let Some(number) = self.living(incarnation) else { return };
        let log = self.cluster.log(Topic::Changelog, partition.0);
        let (stable, high) = (log.last_stable(), log.high);
        if purpose == Purpose::Snapshot {
            let delay_ms = self.rng.u64(1..30);
            return self.tell(number, delay_ms, Message::ChangelogEnd(partition, epoch, purpose, high));
        }
        self.tally.add(Count::RestoresBehindMarkers, u64::from(stable < high));
        let first = self.processes[number].first_ends.get(&partition.0).copied();
        let end = match first {
            Some(first) if self.driver_has(DriverBug::RestoreToOldEnd) => first,
            _ if self.driver_has(DriverBug::RestoreToLastStable) => stable,
            _ => high,
        };
        let delay_ms = self.restore_delay_ms();
        self.tell(number, delay_ms, Message::ChangelogEnd(partition, epoch, purpose, end));
    }

    pub(super) fn begin_restoring(
        &mut self,
        number: usize,
        partition: PartitionId,
        epoch: Epoch,
        (from, end): (Option<i64>, i64),
    ) -> Checked {
        self.trace.note(self.now_ms, &[20, number as u64, u64::from(partition.0)], || {
            format!("process {number} restores {partition:?} from {from:?} up to {end}")
        });
        if from.is_some_and(|from| from > end) {
            let reason = format!("it ends at {end}");
            return self
                .turn(number, |worker, now| worker.snapshot_not_in_log(partition, epoch, reason, now));
        }
        let skips = self.driver_has(DriverBug::ResumeOneTooLate);
        let log = self.cluster.log(Topic::Changelog, partition.0);
        let next = match from {
            Some(from) if skips => {
                log.read_committed(from, 1).0.first().map_or(from, |first| first.offset + 1)
            }
            from => from.unwrap_or(0),
        };
        let restoring = &mut self.processes[number].restoring;
        if restoring.get(&partition.0).is_none_or(|restoring| restoring.epoch.0 < epoch.0) {
            restoring.insert(partition.0, Restoring { epoch, from, next, end });
            return self.restore(number, partition, epoch);
        }
        Ok(())
    }

    /// Reads some more of a changelog, or waits for what is in the way.
    pub(super) fn restore(&mut self, number: usize, partition: PartitionId, epoch: Epoch) -> Checked {
        let restoring = self.processes[number].restoring.get(&partition.0).copied();
        let Some(restoring) = restoring.filter(|restoring| restoring.epoch == epoch) else { return Ok(()) };
        let most = self.rng.usize(10..100);
        let log = self.cluster.log(Topic::Changelog, partition.0);
        let (entries, next) = if self.driver_has(DriverBug::RestoreUncommitted) {
            log.read_uncommitted(restoring.next, most)
        } else {
            log.read_committed(restoring.next, most)
        };
        let mut batch = Batch::new(partition, epoch);
        for entry in entries.iter().filter(|entry| entry.offset < restoring.end) {
            batch.push(entry.offset, 0, Some(&entry.key), entry.value.as_deref(), &[]);
        }
        self.processes[number].restoring.insert(partition.0, Restoring { next, ..restoring });
        if !batch.is_empty() {
            self.turn(number, |worker, now| worker.restoring(batch, now))?;
        }
        if next >= restoring.end {
            self.processes[number].restoring.remove(&partition.0);
            self.tally.one(Count::Restores);
            self.tally.add(Count::SnapshotsUsed, u64::from(restoring.from.is_some()));
            return self.turn(number, |worker, now| worker.restored(partition, epoch, restoring.end, now));
        }
        let delay_ms = self.restore_delay_ms();
        self.tell(number, delay_ms, Message::Restore(partition, epoch));
        Ok(())
    }

    fn restore_delay_ms(&mut self) -> u64 {
        let slow = self.strikes(Trouble::SlowRestores);
        self.tally.add(Count::SlowRestores, u64::from(slow));
        if slow { self.rng.u64(100..1_000) } else { self.rng.u64(1..20) }
    }
}
