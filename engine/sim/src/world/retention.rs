//! Retention: what it may remove at any time, and what it removes while the flow is down for longer than it lasts.

use thalweg_core::worker::FlowError;

use crate::checks::{Checked, Violation};
use crate::flow::{Flow, Outside};
use crate::tally::Count;
use crate::world::World;
use crate::world::event::Event;

/// Of so many partitions, in percent, retention removes what was not read when the flow was down for too long.
const STRIKES_PERCENT: u8 = 70;

impl<F: Flow> World<F> {
    /// Retention removes records, but never what the flow needs: what is not committed, and the dedupe window before.
    pub(crate) fn retain(&mut self) {
        let window = self.plan.worker.dedupe.as_ref().map_or(0, |dedupe| dedupe.window);
        for (partition, log) in self.log.partitions.iter_mut().enumerate() {
            let Some((position, _)) = &self.committed[partition] else { continue };
            log.low = log.low.max(position - window as i64);
        }
    }

    /// All processes die, and stay down until nothing of what they had sent is under way any more; then retention
    /// strikes.
    pub(crate) fn black_out(&mut self, for_ms: u64) {
        self.dark_until_ms = self.now_ms + for_ms;
        (0..self.processes.len()).for_each(|process| self.crash(process, for_ms));
        self.at(self.dark_until_ms, Event::Outlived);
    }

    /// Retention removes all that was ever read of a partition, and some that was not: what nobody had read has had no
    /// effect, so what remains can be judged as if the log had begun there.
    pub(crate) fn outlive(&mut self) {
        for partition in 0..self.plan.partitions {
            let log = &mut self.log.partitions[partition as usize];
            let read_end = self.read_ends[partition as usize].max(log.low);
            if read_end >= log.high || self.rng.u8(0..100) >= STRIKES_PERCENT {
                continue;
            }
            log.low = self.rng.i64(read_end + 1..=log.high);
            let low = log.low;
            let committed = self.committed[partition as usize].as_ref().map(|committed| committed.0);
            self.trace.note(self.now_ms, &[18, u64::from(partition), low as u64], || {
                format!("retention removes {partition} up to {low}, committed: {committed:?}")
            });
            if let Some(position) = committed {
                self.lost.insert(partition, position..low);
            }
            // Who has committed nothing has no place to go on from, and begins where the log does.
            if committed.is_none() || self.plan.worker.accept_lost_offsets {
                self.accept_loss(partition);
            }
        }
    }

    /// A worker says that the flow must not go on: only for what retention has removed, and it must say exactly that.
    /// Whoever operates the flow accepts the loss then, and starts the process again.
    pub(crate) fn failed(&mut self, number: usize, error: &FlowError) -> Checked {
        let accepts = self.processes[number].accepts_lost_offsets;
        let FlowError::OffsetsLost { partition, lost } = error else {
            return Err(Violation::new("flow_goes_on", format!("process {number}: {error}")));
        };
        let known = u32::try_from(partition.number).ok().and_then(|partition| self.lost.get(&partition));
        if accepts || known != Some(lost) {
            let detail = format!("process {number}, which accepts it: {accepts}: {error}; lost is {known:?}");
            return Err(Violation::new("lost_offsets_stop_the_flow", detail));
        }
        self.tally.one(Count::LossesRefused);
        self.trace.note(self.now_ms, &[19, number as u64], || format!("process {number} fails: {error}"));
        if !std::mem::replace(&mut self.plan.worker.accept_lost_offsets, true) {
            let lost: Vec<u32> = self.lost.keys().copied().collect();
            lost.into_iter().for_each(|partition| self.accept_loss(partition));
        }
        let back_after_ms = self.rng.u64(100..2_000);
        self.ask_to_stop(number, back_after_ms)
    }

    /// From now on the partition is judged as a log that begins where it does, read by one who knows what was done
    /// before.
    fn accept_loss(&mut self, partition: u32) {
        let low = self.log.partitions[partition as usize].low;
        let remaining = self.ledger.lose_below(partition, low);
        self.tally.add(Count::RetentionLosses, remaining.lost);
        self.outside.forget(partition);
        let records = std::mem::take(&mut self.log.partitions[partition as usize].records);
        for record in &records {
            if record.offset < low {
                if self.ledger.was_applied(partition, record.offset) {
                    self.outside.read(record);
                }
            } else if let Some(appended_ms) = remaining.appended_ms.get(&record.offset) {
                let fate = self.fate_of(record);
                self.ledger.append(record, fate, *appended_ms);
            }
        }
        self.log.partitions[partition as usize].records = records;
    }
}
