//! The instances of `copy`: they are started, killed while they are at work, and started again.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::process::Signal;
use thalweg_testbed::TestbedError;

use super::admin::{Asker, names};
use super::indexer::SESSION_MS;
use super::program::Program;
use super::programs::Programs;

/// A process that has ended so many transactions is at work, and a kill hits it in the middle of one.
const COMMITS_MIN: u64 = 5;

/// Who ended without being told is started again after this time, as a supervisor does.
const SUPERVISOR_PAUSE: Duration = Duration::from_secs(1);

/// A stop commits one transaction; more than the engine's own deadline (30 s) is a hang.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// Whoever is killed, somebody goes on.
const UP_MIN: usize = 2;

/// Where the instances work, and how.
pub(crate) struct Work<'r> {
    pub(crate) programs: &'r Programs,
    pub(crate) folder: PathBuf,
    pub(crate) settings: Vec<String>,
}

struct Copier {
    name: String,
    port: u16,
    program: Option<Program>,
    /// While it is down: when it is started.
    due: Instant,
}

/// See the module's text.
pub(crate) struct Copiers<'r> {
    work: Work<'r>,
    copiers: Vec<Copier>,
    asker: Asker,
    pub(crate) unexpected_exits: u64,
}

impl<'r> Copiers<'r> {
    /// Starts an instance per port.
    pub(crate) fn start(work: Work<'r>, ports: &[u16]) -> Result<Self, TestbedError> {
        let copier = |(index, port): (usize, &u16)| Copier {
            name: format!("copy-{index}"),
            port: *port,
            program: None,
            due: Instant::now(),
        };
        let copiers = ports.iter().enumerate().map(copier).collect();
        let mut copiers = Self { work, copiers, asker: Asker::new()?, unexpected_exits: 0 };
        copiers.look_after()?;
        Ok(copiers)
    }

    /// Starts who is due, and notices who has ended.
    pub(crate) fn look_after(&mut self) -> Result<(), TestbedError> {
        let now = Instant::now();
        for copier in &mut self.copiers {
            match &mut copier.program {
                None if now >= copier.due => {
                    copier.program = Some(self.work.start(&copier.name, copier.port)?)
                }
                None => {}
                Some(program) => {
                    if let Some(status) = program.ended() {
                        self.unexpected_exits += 1;
                        eprintln!("{}", program.complain(&format!("ended by itself: {status}")));
                        (copier.program, copier.due) = (None, now + SUPERVISOR_PAUSE);
                    }
                }
            }
        }
        Ok(())
    }

    /// How many run.
    pub(crate) fn up(&self) -> usize {
        self.copiers.iter().filter(|copier| copier.program.is_some()).count()
    }

    /// `kill -9` for one that is at work, if one may be killed now; it is away for that long. Answers who it was.
    pub(crate) fn kill_one(&mut self, away: Duration, rng: &mut Rng) -> Option<&str> {
        if self.up() < UP_MIN {
            return None;
        }
        let commits = |copier: &Copier| {
            self.asker.metrics(copier.port).map_or(0, |metrics| metrics.sum(names::COMMITS))
        };
        let is_at_work = |copier: &&mut Copier| copier.program.is_some() && commits(copier) >= COMMITS_MIN;
        let at_work: Vec<_> = self.copiers.iter_mut().filter(is_at_work).collect();
        let victim = rng.choice(at_work)?;
        // Dropping it kills it.
        victim.program = None;
        victim.due = Instant::now() + away;
        Some(&victim.name)
    }

    /// SIGTERM for all; answers how many ended with another exit code than 0, or not at all.
    pub(crate) fn stop(mut self) -> Result<u64, TestbedError> {
        let mut unclean = 0;
        for program in self.copiers.iter_mut().filter_map(|copier| copier.program.as_mut()) {
            program.signal(Signal::TERM);
        }
        for program in self.copiers.iter_mut().filter_map(|copier| copier.program.as_mut()) {
            let status = program.wait(STOP_LIMIT)?;
            if !status.success() {
                unclean += 1;
                eprintln!("{}", program.complain(&format!("SIGTERM, and then {status}")));
            }
        }
        Ok(unclean)
    }
}

impl Work<'_> {
    fn start(&self, name: &str, port: u16) -> Result<Program, TestbedError> {
        let mut command = self.programs.command("copy");
        let own =
            [format!("kafka.group.instance_id={name}"), format!("engine.admin_listen=127.0.0.1:{port}")];
        for setting in self.settings.iter().chain(&own) {
            command.args(["--set", setting]);
        }
        Program::start(name, command, &self.folder)
    }
}

/// Kills, spread at random over `window` (begin, length): when, and for how long. Every third is away for longer than the group
/// waits for a silent member, so that its partitions move; the others come back as themselves.
pub(crate) fn kills(count: usize, window: (Duration, Duration), rng: &mut Rng) -> Vec<(Duration, Duration)> {
    let mut times: Vec<_> = (0..count).map(|_| window.0 + window.1.mul_f64(rng.f64())).collect();
    times.sort_unstable();
    let away = |(index, at)| {
        let beyond_ms = if index % 3 == 2 { SESSION_MS } else { 0 };
        (at, Duration::from_millis(beyond_ms + rng.u64(50..2_000)))
    };
    times.into_iter().enumerate().map(away).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_are_in_order_within_the_window_and_some_move_partitions() {
        let second = Duration::from_secs(1);
        let all = kills(30, (5 * second, 100 * second), &mut Rng::with_seed(1));
        assert_eq!(all.len(), 30);
        assert!(all.is_sorted_by_key(|(at, _)| *at));
        assert!(all.iter().all(|(at, _)| (5 * second..=105 * second).contains(at)));
        let moved = all.iter().filter(|(_, away)| *away > Duration::from_millis(SESSION_MS)).count();
        assert_eq!(moved, 10);
    }
}
