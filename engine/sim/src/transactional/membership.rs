//! Between processes and the group: joining, notices, signs of life, releases.

use thalweg_core::position::PartitionId;
use thalweg_core::worker::PartitionName;

use crate::broker::group::Notice;
use crate::checks::Checked;
use crate::life::Life;
use crate::transactional::event::{Event, Message};
use crate::transactional::{TOPIC, World};

/// Members tell the group this often that they live.
const HEARTBEAT_EVERY_MS: u64 = 1_000;

impl World {
    pub(super) fn join(&mut self, number: usize) {
        let instance = self.plan.static_members.then_some(self.processes[number].number);
        let member = self.group.join(instance, self.now_ms, &mut self.rng);
        self.processes[number].life.member = Some(member);
        self.trace.note(self.now_ms, &[6, number as u64, member.0], || {
            format!("process {number} joins as {member:?}")
        });
    }

    /// Sends the coordinator's notices to the processes whose members they are for, in order.
    pub(super) fn spread_notices(&mut self) {
        for (member, notice) in std::mem::take(&mut self.group.notices) {
            let is_for = |life: &Life<Message>| life.member == Some(member);
            let Some(number) = self.processes.iter().position(|process| is_for(&process.life)) else {
                continue;
            };
            let life = &mut self.processes[number].life;
            let at_ms = (self.now_ms + self.rng.u64(1..100)).max(life.last_notice_ms + 1);
            life.last_notice_ms = at_ms;
            let incarnation = life.incarnation;
            self.at(at_ms, Event::Process(incarnation, Message::Notice(member, notice)));
        }
    }

    pub(super) fn notice(&mut self, number: usize, notice: Notice) -> Checked {
        self.trace.note(self.now_ms, &[7, number as u64], || format!("process {number} is told {notice:?}"));
        let life = &mut self.processes[number].life;
        match notice {
            Notice::Revoke(partitions) => {
                let ids = partitions.into_iter().map(PartitionId).collect();
                self.turn(number, |worker, now| worker.revoked(ids, now))
            }
            Notice::Assign { partitions, generation } => {
                life.generation = generation;
                life.owned.extend(&partitions);
                let named = |partition: u32| {
                    (PartitionId(partition), PartitionName { topic: TOPIC.into(), number: partition as i32 })
                };
                let assigned: Vec<_> = partitions.into_iter().map(named).collect();
                if assigned.is_empty() {
                    return Ok(());
                }
                self.turn(number, |worker, now| worker.assigned(assigned, now))
            }
        }
    }

    /// The group has expelled the member: all it had is lost, and it joins anew.
    pub(super) fn expelled(&mut self, number: usize) -> Checked {
        self.trace
            .note(self.now_ms, &[8, number as u64], || format!("process {number} learns it was expelled"));
        let life = &mut self.processes[number].life;
        life.member = None;
        let lost: Vec<_> = life.owned.iter().copied().map(PartitionId).collect();
        let incarnation = life.incarnation;
        if !lost.is_empty() {
            self.turn(number, |worker, now| worker.lost(lost, now))?;
        }
        let delay_ms = self.rng.u64(1..300);
        self.after(delay_ms, Event::Join(incarnation));
        Ok(())
    }

    pub(super) fn heartbeat(&mut self, number: usize) {
        if let Some(member) = self.processes[number].life.member
            && !self.group.heartbeat(member, self.now_ms)
        {
            let delay_ms = self.rng.u64(1..50);
            self.tell(number, delay_ms, Message::Unknown(member));
        }
        self.tell(number, HEARTBEAT_EVERY_MS, Message::Heartbeat);
    }

    pub(super) fn release(&mut self, number: usize, partitions: &[PartitionId]) {
        let process = &mut self.processes[number];
        let partitions: Vec<u32> = partitions.iter().map(|partition| partition.0).collect();
        for partition in &partitions {
            process.life.owned.remove(partition);
            process.reading.remove(partition);
            process.restoring.remove(partition);
        }
        self.trace
            .note(self.now_ms, &[9, number as u64], || format!("process {number} releases {partitions:?}"));
        if let Some(member) = self.processes[number].life.member {
            let delay_ms = self.rng.u64(1..50);
            self.after(delay_ms, Event::Released(member, partitions));
        }
    }
}
