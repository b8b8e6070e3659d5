//! Server processes, known by pid AND start time, so that a pid used again is never signalled.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{AtPath, TestbedError};

/// How often a condition is looked at while waiting for it.
pub const POLL_INTERVAL: Duration = Duration::from_millis(25);

/// A process that is not necessarily our child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerProcess {
    pid: i32,
    /// Clock ticks after boot at which it started: field 22 of `/proc/PID/stat`.
    started_ticks: u64,
}

impl ServerProcess {
    /// The running process with this pid, if there is one.
    #[must_use]
    pub fn running(pid: i32) -> Option<Self> {
        started_ticks(pid).map(|started_ticks| Self { pid, started_ticks })
    }

    /// The process remembered in `file`, if it still runs.
    #[must_use]
    pub fn remembered(file: &Path) -> Option<Self> {
        let text = fs::read_to_string(file).ok()?;
        let mut words = text.split_whitespace();
        let pid = words.next()?.parse().ok()?;
        let started_ticks = words.next()?.parse().ok()?;
        let process = Self { pid, started_ticks };
        process.is_alive().then_some(process)
    }

    /// Writes the process to `file` for [`remembered`](Self::remembered).
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn remember(&self, file: &Path) -> Result<(), TestbedError> {
        fs::write(file, format!("{} {}\n", self.pid, self.started_ticks)).at(file)
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether it runs (a zombie does not).
    #[must_use]
    pub fn is_alive(&self) -> bool {
        started_ticks(self.pid) == Some(self.started_ticks)
    }

    /// Sends a signal; nothing happens if the process is gone.
    pub fn signal(&self, signal: Signal) {
        if let (true, Some(pid)) = (self.is_alive(), Pid::from_raw(self.pid)) {
            // The only failure left is that it ended just now, which is what a signal mostly wants.
            let _ = kill_process(pid, signal);
        }
    }

    /// Ends it: SIGTERM, after `grace` SIGKILL; comes back when it is gone.
    ///
    /// # Errors
    /// When it survives SIGKILL for 10 s (a process stuck in the kernel).
    pub fn stop(&self, grace: Duration) -> Result<(), TestbedError> {
        self.signal(Signal::TERM);
        // A suspended process takes SIGTERM only once it goes on.
        self.signal(Signal::CONT);
        if wait_until(grace, || !self.is_alive()) {
            return Ok(());
        }
        self.kill()
    }

    /// Ends it with SIGKILL; comes back when it is gone.
    ///
    /// # Errors
    /// When it is still there after 10 s.
    pub fn kill(&self) -> Result<(), TestbedError> {
        self.signal(Signal::KILL);
        if wait_until(Duration::from_secs(10), || !self.is_alive()) {
            return Ok(());
        }
        Err(TestbedError::NotStopped { pid: self.pid })
    }
}

fn started_ticks(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may itself hold spaces and parentheses.
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split(' ');
    // A zombie is dead, once its last thread is: until then its ports are taken. Then fields 4 to 21, then the start.
    if fields.next()? == "Z" && fs::read_dir(format!("/proc/{pid}/task")).ok()?.count() <= 1 {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Polls `condition` until it holds (true) or `limit` is over (false).
pub fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Runs a command to its end and returns what it printed.
///
/// # Errors
/// [`TestbedError::Command`] with the end of its output when it can't be run or fails.
pub fn run(command: &mut Command) -> Result<String, TestbedError> {
    let name = format!("{command:?}").replace('"', "");
    let failed = |reason: String| TestbedError::Command { command: name.clone(), reason };
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let all = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = all.lines().collect();
    Err(failed(format!("{}\n{}", output.status, lines[lines.len().saturating_sub(20)..].join("\n"))))
}
