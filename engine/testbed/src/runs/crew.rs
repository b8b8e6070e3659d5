//! Instances of exactly-once programs: they are started, killed while they are at work, and started again.

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

/// Where the instances work, and what they have in common.
pub(crate) struct Work<'r> {
    pub(crate) programs: &'r Programs,
    pub(crate) folder: PathBuf,
    pub(crate) settings: Vec<String>,
    /// Variables of their environment.
    pub(crate) variables: Vec<(&'static str, String)>,
    /// So many of a program go on, whoever is killed.
    pub(crate) left_min: usize,
}

/// An instance: what it is, and what it alone is told.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    /// Its program.
    pub(crate) program: &'static str,
    /// Its number among those of the program.
    pub(crate) number: usize,
    /// Its admin page.
    pub(crate) port: u16,
    /// Settings.
    pub(crate) own: Vec<String>,
}

struct Member {
    post: Post,
    name: String,
    program: Option<Program>,
    /// While it is down: when it is started.
    due: Instant,
}

/// See the module's text.
pub(crate) struct Crew<'r> {
    work: Work<'r>,
    members: Vec<Member>,
    asker: Asker,
    pub(crate) unexpected_exits: u64,
}

impl<'r> Crew<'r> {
    /// Starts all of them.
    pub(crate) fn start(work: Work<'r>, posts: Vec<Post>) -> Result<Self, TestbedError> {
        let member = |post: Post| Member {
            name: format!("{}-{}", post.program, post.number),
            post,
            program: None,
            due: Instant::now(),
        };
        let members = posts.into_iter().map(member).collect();
        let mut crew = Self { work, members, asker: Asker::new()?, unexpected_exits: 0 };
        crew.look_after()?;
        Ok(crew)
    }

    /// Starts who is due, and notices who has ended.
    pub(crate) fn look_after(&mut self) -> Result<(), TestbedError> {
        let now = Instant::now();
        for member in &mut self.members {
            match &mut member.program {
                None if now >= member.due => {
                    member.program = Some(self.work.start(&member.name, &member.post)?)
                }
                None => {}
                Some(program) => {
                    if let Some(status) = program.ended() {
                        self.unexpected_exits += 1;
                        eprintln!("{}", program.complain(&format!("ended by itself: {status}")));
                        (member.program, member.due) = (None, now + SUPERVISOR_PAUSE);
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether all run and say that they are ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.members.iter().all(|member| member.program.is_some() && self.asker.is_ready(member.post.port))
    }

    /// How many run.
    pub(crate) fn up(&self) -> usize {
        self.members.iter().filter(|member| member.program.is_some()).count()
    }

    /// `kill -9` for one that is at work, if one may be killed now; it is away for that long. Answers who it was.
    pub(crate) fn kill_one(&mut self, away: Duration, rng: &mut Rng) -> Option<&str> {
        let is_up = |member: &&Member| member.program.is_some();
        let up_of = |program: &str| {
            self.members.iter().filter(is_up).filter(|member| member.post.program == program).count()
        };
        let commits = |member: &Member| {
            self.asker.metrics(member.post.port).map_or(0, |metrics| metrics.sum(names::COMMITS))
        };
        let may_go = |member: &Member| {
            is_up(&member)
                && up_of(member.post.program) > self.work.left_min
                && commits(member) >= COMMITS_MIN
        };
        let may_go: Vec<_> = self
            .members
            .iter()
            .enumerate()
            .filter(|(_, member)| may_go(member))
            .map(|(index, _)| index)
            .collect();
        let victim = &mut self.members[rng.choice(may_go)?];
        // Dropping it kills it.
        victim.program = None;
        victim.due = Instant::now() + away;
        Some(&victim.name)
    }

    /// SIGTERM for all; answers how many ended with another exit code than 0, or not at all.
    pub(crate) fn stop(mut self) -> Result<u64, TestbedError> {
        let mut unclean = 0;
        for program in self.members.iter_mut().filter_map(|member| member.program.as_mut()) {
            program.signal(Signal::TERM);
        }
        for program in self.members.iter_mut().filter_map(|member| member.program.as_mut()) {
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
    fn start(&self, name: &str, post: &Post) -> Result<Program, TestbedError> {
        let mut command = self.programs.command(post.program);
        let known = [
            format!("kafka.group.instance_id={name}"),
            format!("engine.admin_listen=127.0.0.1:{}", post.port),
        ];
        for setting in self.settings.iter().chain(&known).chain(&post.own) {
            command.args(["--set", setting]);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
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
