//! The stand-in for Elasticsearch, as a process of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, bail};

use super::programs;

/// A running stand-in; stopped when dropped.
pub(super) struct StandIn {
    child: Child,
    pub(super) url: String,
}

impl StandIn {
    /// Starts one that records every write, with its document.
    pub(super) fn start(record: &Path) -> Result<Self> {
        let mut child = programs::command("thalweg-testbed")?
            .args(["stand-in", "--port", "0", "--record-bodies", "--record"])
            .arg(record)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let out = child.stdout.take().context("its standard output is a pipe")?;
        let mut url = String::new();
        BufReader::new(out).read_line(&mut url)?;
        Ok(Self { child, url: url.trim().to_owned() })
    }

    /// Stops it, after which the record is whole.
    pub(super) fn stop(mut self) -> Result<()> {
        terminate(&self.child)?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the stand-in failed: {status}");
        }
        Ok(())
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // Does nothing to a process that was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks a process to end.
pub(super) fn terminate(child: &Child) -> Result<()> {
    let pid = rustix::process::Pid::from_child(child);
    Ok(rustix::process::kill_process(pid, rustix::process::Signal::TERM)?)
}
