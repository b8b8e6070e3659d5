//! The instances of a group: they are started, struck, looked after, stopped.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use thalweg_testbed::TestbedError;

use super::admin::{Asker, Scrape, names};
use super::indexer::Indexer;
use super::program::Program;
use super::{failed, go_on};

/// A planned stop drains and commits; more than the engine's own deadline (30 s) is a hang.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// How often instances are looked at.
pub(crate) const TICK: Duration = Duration::from_millis(20);
/// Who ended without being told is started again after this time, as a supervisor does.
const SUPERVISOR_PAUSE: Duration = Duration::from_secs(1);

/// What an instance is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its process runs.
    Up,
    /// SIGSTOP until then.
    Suspended(Instant),
    /// SIGTERM since then; to be away for that long afterwards.
    Leaving(Instant, Duration),
    /// No process until then.
    Down(Instant),
}

/// Why an instance was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// For the first time.
    First,
    /// It had been killed.
    Killed,
    /// It had left the group, or ended without being told.
    Away,
}

struct Instance {
    name: String,
    port: u16,
    program: Option<Program>,
    state: State,
    cause: Cause,
    /// Started then, and has had no effect yet.
    awaited: Option<Instant>,
}

/// What became of starts and stops.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// From start to first effect, after `kill -9`, ms.
    pub(crate) restarts_ms: Vec<u64>,
    /// The same after a planned stop.
    pub(crate) joins_ms: Vec<u64>,
    /// Starts that saw no effect before the next blow or the end.
    pub(crate) without_effect: u64,
    /// Planned stops with exit code 0.
    pub(crate) stops_clean: u64,
    /// Planned stops that took too long or ended with another exit code.
    pub(crate) stops_unclean: u64,
    /// Ends that nobody asked for.
    pub(crate) unexpected_exits: u64,
}

/// The sum over all instances.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Records between committed and end.
    pub(crate) lag: u64,
    /// Records whose outcome is open.
    pub(crate) open: u64,
    /// Partitions assigned.
    pub(crate) partitions: u64,
}

/// See the module's text.
pub(crate) struct Fleet<'r> {
    indexer: Indexer<'r>,
    instances: Vec<Instance>,
    asker: Asker,
    /// What became of starts and stops.
    pub(crate) tally: Tally,
}

impl<'r> Fleet<'r> {
    /// Starts an instance per port.
    pub(crate) fn start(indexer: Indexer<'r>, ports: &[u16]) -> Result<Self, TestbedError> {
        let instance = |(index, port): (usize, &u16)| Instance {
            name: format!("indexer-{index}"),
            port: *port,
            program: None,
            state: State::Down(Instant::now()),
            cause: Cause::First,
            awaited: None,
        };
        let instances = ports.iter().enumerate().map(instance).collect();
        let mut fleet = Self { indexer, instances, asker: Asker::new()?, tally: Tally::default() };
        fleet.look_after()?;
        Ok(fleet)
    }

    /// Does what is due: starts, resumes, notices ends and first effects. To be called every few milliseconds.
    pub(crate) fn look_after(&mut self) -> Result<(), TestbedError> {
        for instance in &mut self.instances {
            instance.look_after(&self.indexer, &mut self.tally)?;
            if instance.state == State::Up && instance.awaited.is_some() {
                instance.look_for_effect(&self.asker, &mut self.tally)?;
            }
        }
        Ok(())
    }

    /// The instances whose process runs and is not suspended or leaving.
    pub(crate) fn up(&self) -> Vec<usize> {
        let up = self.instances.iter().enumerate().filter(|(_, instance)| instance.state == State::Up);
        up.map(|(index, _)| index).collect()
    }

    /// The metrics of one.
    pub(crate) fn metrics(&self, index: usize) -> Option<Scrape> {
        self.asker.metrics(self.instances.get(index)?.port)
    }

    /// Whether it says that it is ready.
    pub(crate) fn is_ready(&self, index: usize) -> bool {
        self.instances.get(index).is_some_and(|instance| self.asker.is_ready(instance.port))
    }

    /// Bytes of it in memory: now, at most.
    pub(crate) fn resident_bytes(&self, index: usize) -> Option<(u64, u64)> {
        self.instances.get(index)?.program.as_ref()?.resident_bytes()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, index: usize, down: Duration) {
        self.strike(index, Cause::Killed, |program| {
            program.kill();
            State::Down(Instant::now() + down)
        });
    }

    /// SIGSTOP.
    pub(crate) fn suspend(&mut self, index: usize, pause: Duration) {
        self.strike(index, Cause::First, |program| {
            program.signal(Signal::STOP);
            State::Suspended(Instant::now() + pause)
        });
    }

    /// SIGTERM.
    pub(crate) fn leave(&mut self, index: usize, away: Duration) {
        self.strike(index, Cause::Away, |program| {
            program.signal(Signal::TERM);
            State::Leaving(Instant::now(), away)
        });
    }

    fn strike(&mut self, index: usize, cause: Cause, blow: impl FnOnce(&mut Program) -> State) {
        let Some(instance) = self.instances.get_mut(index) else { return };
        let Some(program) = instance.program.as_mut() else { return };
        instance.state = blow(program);
        instance.cause = cause;
        if instance.awaited.take().is_some() {
            self.tally.without_effect += 1;
        }
    }

    /// Nobody stays away or suspended any longer; no first effects are waited for any more.
    pub(crate) fn bring_back(&mut self) -> Result<(), TestbedError> {
        let now = Instant::now();
        for instance in &mut self.instances {
            match &mut instance.state {
                State::Suspended(until) | State::Down(until) => *until = now,
                State::Leaving(_, away) => *away = Duration::ZERO,
                State::Up => {}
            }
        }
        self.look_after()?;
        for instance in &mut self.instances {
            self.tally.without_effect += u64::from(instance.awaited.take().is_some());
        }
        Ok(())
    }

    /// The sums, if every instance is up and answers.
    pub(crate) fn totals(&self) -> Option<Totals> {
        let mut totals = Totals::default();
        if self.up().len() < self.instances.len() {
            return None;
        }
        for instance in &self.instances {
            let metrics = self.asker.metrics(instance.port)?;
            totals.lag += metrics.sum(names::LAG);
            totals.open += metrics.sum(names::OPEN);
            totals.partitions += metrics.sum(names::PARTITIONS);
        }
        Some(totals)
    }

    /// Stops all with SIGTERM, at once, and waits.
    pub(crate) fn stop(&mut self) -> Result<(), TestbedError> {
        for instance in &mut self.instances {
            if let Some(program) = &mut instance.program {
                program.signal(Signal::TERM);
            }
        }
        for instance in &mut self.instances {
            let Some(mut program) = instance.program.take() else { continue };
            instance.state = State::Down(Instant::now());
            match program.wait(STOP_LIMIT) {
                Ok(status) if status.success() => self.tally.stops_clean += 1,
                Ok(status) => {
                    self.tally.stops_unclean += 1;
                    eprintln!("{}", program.complain(&format!("{status} after SIGTERM")));
                }
                Err(error) => {
                    go_on()?;
                    self.tally.stops_unclean += 1;
                    eprintln!("{error}");
                }
            }
        }
        Ok(())
    }
}

impl Instance {
    fn look_after(&mut self, indexer: &Indexer<'_>, tally: &mut Tally) -> Result<(), TestbedError> {
        let now = Instant::now();
        match (self.state, self.program.as_mut()) {
            (State::Down(until), _) if now >= until => {
                self.program = Some(indexer.start(&self.name, self.port)?);
                self.awaited = Some(now);
                self.state = State::Up;
            }
            (State::Suspended(until), Some(program)) if now >= until => {
                program.signal(Signal::CONT);
                self.state = State::Up;
            }
            (State::Leaving(since, away), Some(program)) => {
                let ended = program.ended();
                if ended.is_none() && now < since + STOP_LIMIT {
                    return Ok(());
                }
                if ended.is_some_and(|status| status.success()) {
                    tally.stops_clean += 1;
                } else {
                    tally.stops_unclean += 1;
                    eprintln!("{}", program.complain(&format!("SIGTERM, and then {ended:?}")));
                    program.kill();
                }
                self.state = State::Down(now + away);
            }
            (State::Up, Some(program)) => {
                let Some(status) = program.ended() else { return Ok(()) };
                tally.unexpected_exits += 1;
                eprintln!("{}", program.complain(&format!("ended by itself: {status}")));
                self.cause = Cause::Away;
                tally.without_effect += u64::from(self.awaited.take().is_some());
                self.state = State::Down(now + SUPERVISOR_PAUSE);
            }
            _ => {}
        }
        Ok(())
    }

    fn look_for_effect(&mut self, asker: &Asker, tally: &mut Tally) -> Result<(), TestbedError> {
        let Some(since) = self.awaited else { return Ok(()) };
        let Some(metrics) = asker.metrics(self.port) else { return Ok(()) };
        if let Some(name) = metrics.lacks() {
            return Err(failed(&self.name, format!("its admin page has no {name}")));
        }
        if metrics.effects() == 0 {
            return Ok(());
        }
        self.awaited = None;
        let ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        match self.cause {
            Cause::First => {}
            Cause::Killed => tally.restarts_ms.push(ms),
            Cause::Away => tally.joins_ms.push(ms),
        }
        Ok(())
    }
}
