//! Faults strike, and end.

use crate::broker::transactions::Topic;
use crate::checks::Checked;
use crate::life::State;
use crate::tally::Count;
use crate::transactional::World;
use crate::transactional::event::Event;
use crate::transactional::plan::{Fault, Trouble};
use crate::transactional::process::Process;

/// After everything has healed nobody stays away longer than this.
const BACK_WITHIN_MS: u64 = 1_000;

impl World {
    pub(super) fn strike(&mut self, fault: &Fault) -> Checked {
        self.trace.note(self.now_ms, &[10], || format!("fault {fault:?}"));
        match *fault {
            Fault::Crash { process, down_ms } => self.crash(process, down_ms),
            Fault::Freeze { process, for_ms } => {
                self.freeze(process, for_ms);
            }
            Fault::FreezeInTransaction { process, for_ms } => {
                self.freezes_in_transaction.insert(process, for_ms);
            }
            Fault::ExpelBeforeMarkers => self.expels_before_markers += 1,
            Fault::Stop { process, down_ms } => self.ask_to_stop(process, down_ms)?,
            Fault::Replace { process, for_ms } => self.replace(process, for_ms),
            Fault::Trouble { trouble, percent, for_ms } => {
                self.troubles[trouble as usize] = (percent, self.now_ms + for_ms);
            }
            Fault::ClockJump { process, by_ms } => {
                self.tally.add(Count::ClockSteps, u64::from(self.processes[process].worker.is_some()));
                self.processes[process].life.jump_wall_clock(by_ms);
            }
            Fault::Shuffle => self.group.shuffle(self.now_ms, &mut self.rng),
            Fault::Expel { process } => {
                if let Some(member) = self.processes[process].life.member {
                    self.group.leave(member, self.now_ms, &mut self.rng);
                }
            }
            Fault::Compaction => self.compact(),
            Fault::Retention => self.retain(),
        }
        Ok(())
    }

    /// It is gone, and comes back after `down_ms`; never, if that is the largest number there is.
    pub(super) fn crash(&mut self, number: usize, down_ms: u64) {
        if matches!(self.processes[number].life.state, State::Down) {
            return;
        }
        self.trace.note(self.now_ms, &[11, number as u64], || format!("process {number} dies"));
        self.tally.one(Count::Crashes);
        self.end_life(number);
        if down_ms < u64::MAX {
            self.after(down_ms, Event::Start(number));
        }
    }

    /// The process is gone, with all that was in it; what it had sent goes on.
    pub(super) fn end_life(&mut self, number: usize) {
        if let Some(worker) = &self.processes[number].worker {
            self.ended += worker.accounts();
            self.fired += worker.fired();
        }
        self.last_stop_ms = self.now_ms;
        self.processes[number].end_life();
    }

    /// Answers whether it ran.
    pub(super) fn freeze(&mut self, number: usize, for_ms: u64) -> bool {
        let life = &mut self.processes[number].life;
        let (ran, incarnation) = (life.freeze(), life.incarnation);
        if ran {
            self.tally.one(Count::Freezes);
            self.after(for_ms, Event::Thaw(incarnation));
        }
        ran
    }

    pub(super) fn thaw(&mut self, number: usize) {
        let incarnation = self.processes[number].life.incarnation;
        let Some(waiting) = self.processes[number].life.thaw(incarnation, self.now_ms) else { return };
        self.trace.note(self.now_ms, &[12, number as u64], || format!("process {number} goes on"));
        for message in waiting {
            // Equal ties keep the order of arrival.
            self.queue.push(self.now_ms, 0, Event::Process(incarnation, message));
        }
    }

    /// A process that is stopped is taken for dead, and another is started in its place, which takes over its transactional
    /// id. The old one goes on for a while, and is ended then.
    fn replace(&mut self, number: usize, for_ms: u64) {
        if !self.freeze(number, for_ms) {
            return;
        }
        self.tally.one(Count::Replaced);
        let incarnation = self.processes[number].life.incarnation;
        let lives_on_ms = self.rng.u64(200..3_000);
        self.after(for_ms + lives_on_ms, Event::Die(incarnation));
        let fresh = Process::new(number, &mut self.rng);
        let old = std::mem::replace(&mut self.processes[number], fresh);
        self.processes.push(old);
        let delay_ms = self.rng.u64(100..1_000);
        self.after(delay_ms, Event::Start(number));
    }

    fn compact(&mut self) {
        for partition in 0..self.plan.partitions {
            // The newest part of a log is never compacted.
            let high = self.cluster.log(Topic::Changelog, partition).high;
            let end = high - self.rng.i64(0..20);
            let (now_ms, retention_ms) = (self.now_ms, self.plan.delete_retention_ms);
            let log = self.cluster.log_mut(Topic::Changelog, partition);
            let gone = log.map_or(0, |log| log.compact(end, now_ms, retention_ms));
            self.tally.add(Count::TombstonesRemoved, gone);
        }
        self.tally.one(Count::Compactions);
    }

    /// Retention removes records, but never what the flow needs: what is not committed, and the dedupe window before.
    fn retain(&mut self) {
        let window = self.plan.worker.dedupe.as_ref().map_or(0, |dedupe| dedupe.window);
        for (log, committed) in self.log.partitions.iter_mut().zip(&self.cluster.offsets.committed) {
            if let Some((position, _)) = committed {
                log.low = log.low.max(position - window as i64);
            }
        }
    }

    /// From now on nothing fails any more.
    pub(super) fn heal(&mut self) {
        self.trace.note(self.now_ms, &[13], || "all faults end".to_owned());
        self.healed = true;
        self.troubles = [(0, 0); Trouble::ALL.len()];
        self.freezes_in_transaction.clear();
        self.expels_before_markers = 0;
        for number in 0..self.processes.len() {
            match self.processes[number].life.state {
                State::Frozen(_) => self.thaw(number),
                State::Down if number < self.plan.processes => {
                    let delay_ms = self.rng.u64(0..BACK_WITHIN_MS);
                    self.after(delay_ms, Event::Start(number));
                }
                State::Up | State::Down => {}
            }
        }
    }
}
