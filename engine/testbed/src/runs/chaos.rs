//! Carries out the plan: each blow hits an instance that has records in flight.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::admin::names;
use super::fleet::Fleet;
use super::plan::{Blow, Planned};
use super::progress::Progress;

/// Whoever is struck, two go on.
const UP_MIN: usize = 3;
/// How long one victim is waited for until it has records in flight; then another one is chosen.
const PATIENCE: Duration = Duration::from_secs(2);
/// So many victims are tried before one is struck without records in flight.
const VICTIMS_MAX: u32 = 5;

/// Blows dealt, and those of them that hit records in flight.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Dealt {
    /// All.
    pub(crate) all: usize,
    /// With records in flight.
    pub(crate) in_flight: usize,
}

/// See the module's text.
pub(crate) struct Chaos {
    plan: VecDeque<Planned>,
    rng: Rng,
    aim: Option<Aim>,
    /// SIGKILL.
    pub(crate) kills: Dealt,
    /// SIGSTOP.
    pub(crate) suspensions: Dealt,
    /// SIGTERM.
    pub(crate) leaves: Dealt,
}

#[derive(Debug, Clone, Copy)]
struct Aim {
    blow: Blow,
    victim: usize,
    since: Instant,
    victims: u32,
}

impl Chaos {
    /// Nothing has happened yet.
    pub(crate) fn new(plan: Vec<Planned>, rng: Rng) -> Self {
        let none = Dealt::default();
        Self { plan: plan.into(), rng, aim: None, kills: none, suspensions: none, leaves: none }
    }

    /// Does what is due at this time after the first record.
    pub(crate) fn go_on(&mut self, elapsed: Duration, fleet: &mut Fleet<'_>, progress: &mut Progress) {
        let Some(aim) = self.aim.take().or_else(|| self.next(elapsed, fleet)) else { return };
        let up = fleet.up();
        if up.len() < UP_MIN || !up.contains(&aim.victim) {
            self.aim = self.another(aim, &up);
            return;
        }
        let open = fleet.metrics(aim.victim).map_or(0, |metrics| metrics.sum(names::OPEN));
        if open > 0 || aim.victims >= VICTIMS_MAX {
            self.strike(aim, open, fleet, progress);
        } else if aim.since.elapsed() < PATIENCE {
            self.aim = Some(aim);
        } else {
            self.aim = self.another(Aim { victims: aim.victims + 1, ..aim }, &up);
        }
    }

    fn next(&mut self, elapsed: Duration, fleet: &Fleet<'_>) -> Option<Aim> {
        let due = self.plan.front().is_some_and(|(at, _)| *at <= elapsed);
        let up = fleet.up();
        if !due || up.len() < UP_MIN {
            return None;
        }
        let victim = self.rng.choice(up)?;
        let (_, blow) = self.plan.pop_front()?;
        Some(Aim { blow, victim, since: Instant::now(), victims: 0 })
    }

    fn another(&mut self, aim: Aim, up: &[usize]) -> Option<Aim> {
        let victim = self.rng.choice(up.iter().copied()).unwrap_or(aim.victim);
        Some(Aim { victim, since: Instant::now(), ..aim })
    }

    fn strike(&mut self, aim: Aim, open: u64, fleet: &mut Fleet<'_>, progress: &mut Progress) {
        let (dealt, word) = match aim.blow {
            Blow::Kill { down } => {
                fleet.kill(aim.victim, down);
                (&mut self.kills, format!("kill -9, back in {} ms", down.as_millis()))
            }
            Blow::Suspend { pause } => {
                fleet.suspend(aim.victim, pause);
                (&mut self.suspensions, format!("SIGSTOP for {} ms", pause.as_millis()))
            }
            Blow::Leave { away } => {
                fleet.leave(aim.victim, away);
                (&mut self.leaves, format!("SIGTERM, back in {} ms", away.as_millis()))
            }
        };
        dealt.all += 1;
        dealt.in_flight += usize::from(open > 0);
        progress.note(&format!("indexer-{}: {word}; {open} records in flight", aim.victim));
    }
}
