//! Where reading begins: questions for positions, their answers, which may come late, and what follows from them.

use std::collections::BTreeMap;
use std::rc::Rc;

use thalweg_core::commit_metadata;
use thalweg_core::position::PartitionId;
use thalweg_core::worker::{FetchId, Positions, ReadFrom, Worker};

use crate::broker::offsets::Start;
use crate::checks::{Checked, Violation};
use crate::flow::Flow;
use crate::life::{Incarnation, Reading};
use crate::tally::Count;
use crate::world::World;
use crate::world::event::{Event, Message};

impl<F: Flow> World<F> {
    /// A worker's question leaves; some take long to arrive.
    pub(crate) fn ask_positions(&mut self, number: usize, fetch: FetchId, partitions: Vec<PartitionId>) {
        let process = &mut self.processes[number];
        for partition in &partitions {
            process.asked.insert(partition.0, fetch);
            process.told.remove(&partition.0);
        }
        let incarnation = process.life.incarnation;
        let slow = self.rng.u8(0..100) < 10;
        let delay_ms = if slow { self.rng.u64(100..2_500) } else { self.rng.u64(1..50) };
        self.after(delay_ms, Event::AskPositions(number, incarnation, fetch, partitions));
    }

    /// The broker answers; the answer may lie around while the partitions go to another member and come back.
    pub(crate) fn tell_positions(
        &mut self,
        number: usize,
        incarnation: Incarnation,
        fetch: FetchId,
        partitions: &[PartitionId],
    ) {
        let positions = partitions.iter().map(|partition| {
            let log = &self.log.partitions[partition.index()];
            let committed = self.committed[partition.index()].clone();
            Positions { partition: *partition, committed, low: log.low, high: log.high }
        });
        let positions = positions.collect();
        let slow = self.rng.u8(0..100) < 15;
        let delay_ms = if slow { self.rng.u64(200..3_000) } else { self.rng.u64(1..50) };
        self.after(delay_ms, Event::Process(number, incarnation, Message::Positioned(fetch, positions)));
    }

    /// An answer arrives.
    pub(crate) fn positioned(&mut self, number: usize, fetch: FetchId, positions: Vec<Positions>) -> Checked {
        let process = &mut self.processes[number];
        let starts: &mut BTreeMap<u32, Start> = Rc::make_mut(&mut process.starts);
        for found in &positions {
            let partition = found.partition.0;
            if process.asked.get(&partition) != Some(&fetch) {
                self.tally.one(Count::LatePositions);
                continue;
            }
            let (position, metadata) = found.committed.clone().unwrap_or((found.low, String::new()));
            let finished = commit_metadata::decode(position, &metadata).unwrap_or_else(|_| {
                self.tally.one(Count::UnreadableMetadata);
                Vec::new()
            });
            starts.insert(partition, Start { position, finished });
            process.told.insert(partition);
        }
        self.trace.note(self.now_ms, &[17, number as u64, fetch.0], || {
            format!("process {number} is told, as asked by {fetch:?}: {positions:?}")
        });
        self.turn(number, |worker, now| Worker::positioned(worker, fetch, positions, now))
    }

    /// A worker begins to read.
    pub(crate) fn begin_reading(&mut self, number: usize, reads: &[ReadFrom]) -> Checked {
        let process = &mut self.processes[number];
        for read in reads {
            let partition = read.partition.0;
            if !process.told.remove(&partition) {
                let detail = format!(
                    "process {number} begins to read {partition} at {}, and {:?} is not answered",
                    read.offset,
                    process.asked.get(&partition)
                );
                return Err(Violation::new("starts_where_last_told", detail));
            }
            let begins = process.starts.get(&partition).map_or(0, |start| start.position);
            let lost = self.lost.get(&partition).filter(|lost| begins < lost.end);
            if let Some(lost) = lost.filter(|_| !process.accepts_lost_offsets) {
                let detail = format!("process {number} reads {partition} although {lost:?} is lost");
                return Err(Violation::new("lost_offsets_stop_the_flow", detail));
            }
            process.reading.insert(partition, Reading { epoch: read.epoch, next: read.offset });
        }
        Ok(())
    }
}
