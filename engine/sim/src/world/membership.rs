//! Between processes and the group: joining, notices, releases, commits.

use thalweg_core::worker::{CommitEntry, CommitResult};

use crate::broker::group::{Admission, MemberId};
use crate::broker::offsets::spoiled;
use crate::checks::{Checked, Violation};
use crate::flow::Flow;
use crate::life::Incarnation;
use crate::tally::Count;
use crate::world::World;
use crate::world::event::{Event, Message};

impl<F: Flow> World<F> {
    pub(crate) fn join(&mut self, number: usize, incarnation: Incarnation) {
        if self.processes[number].life.incarnation != incarnation {
            return;
        }
        let instance = self.plan.static_members.then_some(number);
        let member = self.group.join(instance, self.now_ms, &mut self.rng);
        self.processes[number].life.member = Some(member);
        self.trace.note(self.now_ms, &[4, number as u64, member.0], || {
            format!("process {number} joins as {member:?}")
        });
    }

    /// Sends the coordinator's notices to the processes whose members they are for, in order.
    pub(crate) fn spread_notices(&mut self) {
        for (member, notice) in std::mem::take(&mut self.group.notices) {
            let Some(number) = self.processes.iter().position(|process| process.life.member == Some(member))
            else {
                continue;
            };
            let at_ms = self.now_ms + self.rng.u64(1..100);
            let process = &mut self.processes[number];
            let at_ms = at_ms.max(process.life.last_notice_ms + 1);
            process.life.last_notice_ms = at_ms;
            let incarnation = process.life.incarnation;
            self.at(at_ms, Event::Process(number, incarnation, Message::Notice(member, notice)));
        }
    }

    /// A commit has arrived at the broker.
    pub(crate) fn take_commit(
        &mut self,
        number: usize,
        incarnation: Incarnation,
        (member, generation): (MemberId, u64),
        entries: &[CommitEntry],
    ) -> Checked {
        let (percent, until_ms) = self.commit_trouble;
        let troubled = self.now_ms < until_ms && self.rng.u8(0..100) < percent;
        let admission = self.group.commit(member, generation);
        self.tally.one(Count::Commits);
        self.trace.note(self.now_ms, &[5, number as u64, admission as u64], || {
            let what: Vec<_> = entries.iter().map(|e| (e.partition.0, e.position, &e.metadata)).collect();
            format!(
                "commit of process {number} ({member:?}, generation {generation}): {admission:?} {what:?}"
            )
        });
        let result = match admission {
            Admission::Fenced => CommitResult::Fenced("unknown member".to_owned()),
            Admission::Later => CommitResult::Failed("rebalance in progress".to_owned()),
            Admission::Taken if troubled && self.rng.bool() => {
                CommitResult::Failed("no coordinator".to_owned())
            }
            Admission::Taken => {
                for entry in entries {
                    self.take_entry(member, entry)?;
                }
                if troubled { CommitResult::Failed("timed out".to_owned()) } else { CommitResult::Done }
            }
        };
        match result {
            CommitResult::Done => {}
            CommitResult::Fenced(_) => self.tally.one(Count::CommitsFenced),
            CommitResult::Failed(_) => self.tally.one(Count::CommitsFailed),
        }
        let slow = if troubled { self.rng.u64(0..3_000) } else { 0 };
        let delay_ms = self.rng.u64(1..20) + slow;
        self.after(delay_ms, Event::Process(number, incarnation, Message::Committed(result)));
        Ok(())
    }

    fn take_entry(&mut self, member: MemberId, entry: &CommitEntry) -> Checked {
        let partition = entry.partition.0;
        let owner = self.group.owner(partition);
        if owner.is_some_and(|owner| owner != member) {
            let detail = format!("{member:?} committed {partition}, which is {owner:?}'s");
            return Err(Violation::new("commit_only_own", detail));
        }
        self.ledger.committed(partition, entry.position, &entry.metadata)?;
        let before = self.committed[partition as usize].as_ref().map(|committed| committed.0);
        if let Some(before) = before.filter(|before| *before > entry.position) {
            let detail = format!("{member:?} committed {partition} at {}, after {before}", entry.position);
            return Err(Violation::new("commit_never_backwards", detail));
        }
        let (percent, until_ms) = self.metadata_trouble;
        let spoils = self.now_ms < until_ms && self.rng.u8(0..100) < percent;
        let metadata = if spoils { spoiled(&entry.metadata, &mut self.rng) } else { entry.metadata.clone() };
        self.committed[partition as usize] = Some((entry.position, metadata));
        Ok(())
    }
}
