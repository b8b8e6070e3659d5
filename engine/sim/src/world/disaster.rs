//! Faults strike, and end.

use crate::checks::Checked;
use crate::flow::{Flow, Outside};
use crate::life::State;
use crate::plan::Fault;
use crate::tally::Count;
use crate::weather::Outage;
use crate::world::World;
use crate::world::event::Event;

/// After everything has healed nobody stays away longer than this.
const BACK_WITHIN_MS: u64 = 1_000;

impl<F: Flow> World<F> {
    #[expect(clippy::needless_pass_by_value, reason = "a fault strikes once")]
    pub(crate) fn strike(&mut self, fault: Fault) -> Checked {
        let kind = std::mem::discriminant(&fault);
        self.trace.note(self.now_ms, &[6], || format!("fault {kind:?}: {fault:?}"));
        match fault {
            Fault::Crash { process, down_ms } => self.crash(process, down_ms),
            Fault::Freeze { process, for_ms } => self.freeze(process, for_ms),
            Fault::Stop { process, down_ms } => self.ask_to_stop(process, down_ms)?,
            Fault::Outage { system, outage, for_ms } => self.outage(system, outage, for_ms),
            Fault::Restart { system, for_ms } => {
                if system + 1 < self.systems.len() {
                    self.outside.restart(system);
                }
                self.outage(system, Outage::Refuses, for_ms);
            }
            Fault::Trouble { system, trouble, percent, for_ms } => {
                self.systems[system].weather.begin(trouble, percent, self.now_ms + for_ms);
            }
            Fault::Stubborn { system } => self.systems[system].weather.begin_stubbornness(),
            Fault::Commits { percent, for_ms } => self.commit_trouble = (percent, self.now_ms + for_ms),
            Fault::ClockJump { process, by_ms } => self.processes[process].life.jump_wall_clock(by_ms),
            Fault::Shuffle => self.group.shuffle(self.now_ms, &mut self.rng),
            Fault::Expel { process } => {
                if let Some(member) = self.processes[process].life.member {
                    self.group.leave(member, self.now_ms, &mut self.rng);
                }
            }
            Fault::Retention => self.retain(),
            Fault::Blackout { for_ms } => self.black_out(for_ms),
            Fault::Metadata { percent, for_ms } => self.metadata_trouble = (percent, self.now_ms + for_ms),
        }
        Ok(())
    }

    pub(crate) fn crash(&mut self, number: usize, down_ms: u64) {
        if matches!(self.processes[number].life.state, State::Down) {
            return;
        }
        self.tally.one(Count::Crashes);
        self.end_life(number);
        self.after(down_ms, Event::Start(number));
    }

    /// The process is gone, with all that was in it; what it had sent goes on.
    pub(crate) fn end_life(&mut self, number: usize) {
        self.count_life(number);
        self.processes[number].forget_life();
    }

    fn count_life(&mut self, number: usize) {
        let Some(worker) = &self.processes[number].worker else { return };
        let statuses = worker.sink_status();
        let (parked, opened) =
            statuses.fold((0, 0), |sum, (_, status)| (sum.0 + status.retries, sum.1 + status.breaker_opened));
        let accounts = worker.accounts();
        self.tally.add(Count::ParkedKeys, parked);
        self.tally.add(Count::BreakerOpened, opened);
        self.tally.add(Count::Duplicates, accounts.of(thalweg_core::outcome::Outcome::Duplicate));
        self.tally.add(Count::FinishedBefore, accounts.finished_before);
    }

    fn freeze(&mut self, number: usize, for_ms: u64) {
        let life = &mut self.processes[number].life;
        if !life.freeze() {
            return;
        }
        let incarnation = life.incarnation;
        self.tally.one(Count::Freezes);
        self.after(for_ms, Event::Thaw(number, incarnation));
    }

    pub(crate) fn thaw(&mut self, number: usize, incarnation: u64) {
        let Some(waiting) = self.processes[number].life.thaw(incarnation, self.now_ms) else { return };
        self.trace.note(self.now_ms, &[7, number as u64], || format!("process {number} goes on"));
        for message in waiting {
            // Equal ties keep the order of arrival.
            self.queue.push(self.now_ms, 0, Event::Process(number, incarnation, message));
        }
    }

    fn outage(&mut self, system: usize, outage: Outage, for_ms: u64) {
        self.tally.one(Count::Outages);
        let system = &mut self.systems[system];
        system.weather.break_down(outage, self.now_ms + for_ms);
        system.patience.outage_began(self.now_ms);
    }

    /// From now on nothing fails any more.
    pub(crate) fn heal(&mut self) {
        self.trace.note(self.now_ms, &[8], || "all faults end".to_owned());
        self.healed = true;
        self.commit_trouble = (0, 0);
        self.metadata_trouble = (0, 0);
        for system in &mut self.systems {
            system.weather.clear();
        }
        for number in 0..self.processes.len() {
            let incarnation = self.processes[number].life.incarnation;
            match self.processes[number].life.state {
                State::Up => {}
                State::Frozen(_) => self.thaw(number, incarnation),
                State::Down => {
                    let delay_ms = self.rng.u64(0..BACK_WITHIN_MS);
                    self.after(delay_ms, Event::Start(number));
                }
            }
        }
    }
}
