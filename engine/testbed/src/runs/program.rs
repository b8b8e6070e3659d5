//! A program under test: a child with its own log, killed when dropped.

use std::fs::{self, OpenOptions};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use thalweg_testbed::process::POLL_INTERVAL;
use thalweg_testbed::{TestbedError, folder};

use super::{failed, go_on};

/// Lines of a program's log that an error shows.
const TAIL_LINES: usize = 15;

/// A running or ended child.
pub(crate) struct Program {
    name: String,
    child: Child,
    log: PathBuf,
    output: PathBuf,
}

impl Program {
    /// Starts `command`. Standard error goes to the end of `NAME.log` in `folder`, standard output to `NAME.out`. It stays
    /// in our process group, so that whoever kills the group ends it too.
    pub(crate) fn start(name: &str, mut command: Command, folder: &Path) -> Result<Self, TestbedError> {
        let (log, output) = (folder.join(format!("{name}.log")), folder.join(format!("{name}.out")));
        let open = |path: &Path, append: bool| {
            let mut options = OpenOptions::new();
            options.create(true).write(true).append(append).truncate(!append).open(path)
        };
        let at = |path: &Path, source| TestbedError::File { path: path.to_path_buf(), source };
        let errors = open(&log, true).map_err(|source| at(&log, source))?;
        let printed = open(&output, false).map_err(|source| at(&output, source))?;
        command.stdin(Stdio::null()).stdout(printed).stderr(errors);
        let child = command.spawn().map_err(|error| failed(&format!("{command:?}"), error))?;
        Ok(Self { name: name.to_owned(), child, log, output })
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        // An error can only mean that there is no such child (any more).
        self.child.try_wait().unwrap_or_else(|_| Some(ExitStatus::from_raw(0)))
    }

    /// Sends a signal, if it runs.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            // Not waited for yet, so the pid is still this child's.
            let _ = kill_process(Pid::from_child(&self.child), signal);
        }
    }

    /// Ends it with SIGKILL; comes back when it is gone.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }

    /// Waits for its end; killed and an error when that takes longer than `limit`, or when the run is interrupted.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<ExitStatus, TestbedError> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            go_on()?;
            if Instant::now() >= deadline {
                self.kill();
                return Err(self.complain(&format!("had not ended after {} s", limit.as_secs())));
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// An error about it, with the end of its log.
    pub(crate) fn complain(&self, what: &str) -> TestbedError {
        failed(&self.name, format!("{what}\n{}", folder::tail(&self.log, TAIL_LINES)))
    }

    /// The JSON object that is the last line of its output.
    pub(crate) fn report(&self) -> Result<serde_json::Value, TestbedError> {
        let text = fs::read_to_string(&self.output)
            .map_err(|source| TestbedError::File { path: self.output.clone(), source })?;
        let last = text.lines().next_back().unwrap_or_default();
        serde_json::from_str(last).map_err(|_| self.complain(&format!("printed no report but {last:?}")))
    }

    /// Bytes of it that are in memory, now and at most; `None` when it has ended.
    pub(crate) fn resident_bytes(&self) -> Option<(u64, u64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let kilobytes = |field: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(field))?;
            line.trim_start_matches(':').trim().trim_end_matches("kB").trim().parse().ok()
        };
        Some((kilobytes("VmRSS")? * 1024, kilobytes("VmHWM")? * 1024))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}
