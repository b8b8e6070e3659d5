//! A running arm, and what the kernel says that it used.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use thalweg_benches::cpu;

use super::arm::{Arm, Job};
use crate::programs::terminate;

/// A stop ends one transaction.
const STOP_WITHIN: Duration = Duration::from_secs(60);

/// Bytes of its log that an error shows.
const LOG_TAIL: usize = 4_000;

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Killed when dropped.
pub(super) struct Process {
    child: Child,
    log: File,
}

/// How far it was at some time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub(super) at: Instant,
    pub(super) cpu_seconds: f64,
    pub(super) records: u64,
}

impl Process {
    pub(super) fn start(arm: Arm, job: &Job) -> Result<Self> {
        let log = tempfile::tempfile()?;
        let mut command = arm.command(job)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
        let child = command.spawn().with_context(|| format!("{command:?} can't be started"))?;
        Ok(Self { child, log })
    }

    /// What it has used, now that so many records are done.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) fn mark(&mut self, records: u64) -> Result<Mark> {
        if let Some(status) = self.child.try_wait()? {
            bail!("it ended by itself: {status}; the end of its log:\n{}", self.log_tail());
        }
        Ok(Mark { at: Instant::now(), cpu_seconds: cpu::of_process(self.child.id())?, records })
    }

    pub(super) fn memory_peak_mb(&self) -> Result<u64> {
        cpu::memory_peak_mb(self.child.id())
    }

    /// Asks it to end, and waits for that.
    pub(super) fn stop(mut self) -> Result<()> {
        terminate(&self.child)?;
        let asked = Instant::now();
        let status = loop {
            match self.child.try_wait()? {
                Some(status) => break status,
                None if asked.elapsed() > STOP_WITHIN => {
                    bail!("it did not end within {STOP_WITHIN:?}; the end of its log:\n{}", self.log_tail())
                }
                None => std::thread::sleep(LOOK_EVERY),
            }
        };
        if !status.success() {
            bail!("it ended with {status}; the end of its log:\n{}", self.log_tail());
        }
        Ok(())
    }

    fn log_tail(&mut self) -> String {
        let mut bytes = Vec::new();
        let read = self.log.rewind().and_then(|()| self.log.read_to_end(&mut bytes));
        if let Err(error) = read {
            return format!("(can't be read: {error})");
        }
        String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(LOG_TAIL)..]).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Does nothing to a process that was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
