//! The stand-in for Elasticsearch, as a process of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, bail};

use super::terminate;

/// A running stand-in; stopped when dropped.
pub(crate) struct StandIn {
    child: Child,
    pub(crate) url: String,
}

impl StandIn {
    /// Starts one that records every write, with its document.
    pub(crate) fn recording(record: &Path) -> Result<Self> {
        Self::start(&["--record-bodies", "--record", &record.display().to_string()])
    }

    /// Starts one that only answers; `keep` is what it keeps of documents (`documents`, `versions`, `nothing`).
    pub(crate) fn keeping(keep: &str) -> Result<Self> {
        Self::start(&["--keep", keep])
    }

    fn start(options: &[&str]) -> Result<Self> {
        let mut child = super::command("thalweg-testbed")?
            .args(["stand-in", "--port", "0"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let out = child.stdout.take().context("its standard output is a pipe")?;
        let mut url = String::new();
        BufReader::new(out).read_line(&mut url)?;
        Ok(Self { child, url: url.trim().to_owned() })
    }

    /// Stops it, after which the record is whole.
    pub(crate) fn stop(mut self) -> Result<()> {
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
