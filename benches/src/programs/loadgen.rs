//! A running `loadgen`.

use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::terminate;

/// What is asked of its report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Loaded {
    /// Acknowledged.
    pub(crate) acked: u64,
    /// Acknowledged per second.
    pub(crate) rate: f64,
    /// From when a record was due until the broker had acknowledged it: no reader can be earlier.
    pub(crate) ack_latency_us: Quantiles,
    /// How far behind its own schedule it was.
    pub(crate) lateness_us: Quantiles,
}

/// Some quantiles, in microseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) max: u64,
}

/// In milliseconds.
impl std::fmt::Display for Quantiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [p50, p99, p999, max] = [self.p50, self.p99, self.p999, self.max].map(|us| us as f64 / 1_000.0);
        write!(f, "p50 {p50:.1}, p99 {p99:.1}, p99.9 {p999:.1}, max {max:.1}")
    }
}

/// A running one; killed when dropped.
pub(crate) struct Loadgen {
    child: Child,
}

impl Loadgen {
    /// Of no poison, to that topic; `options` say the pace and what the records are.
    pub(crate) fn start(brokers: &str, topic: &str, options: &[String]) -> Result<Self> {
        let mut command: Command = super::command("loadgen")?;
        command
            .args(["--brokers", brokers, "--topic", topic, "--poison", "0", "--report", "json"])
            .args(["--recreates", "0", "--late-updates", "0", "-X", "compression.type=lz4"])
            .args(options);
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        Ok(Self { child: command.spawn()? })
    }

    /// Waits until it has written everything.
    pub(crate) fn finish(mut self) -> Result<Loaded> {
        let mut out = String::new();
        let pipe = self.child.stdout.take().context("its standard output is a pipe")?;
        std::io::Read::read_to_string(&mut { pipe }, &mut out)?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("loadgen failed: {status}");
        }
        let last = out.lines().next_back().unwrap_or_default();
        serde_json::from_str(last).with_context(|| format!("loadgen's last line is no report: {last:?}"))
    }

    /// Asks it to end early; what it has sent so far counts.
    pub(crate) fn stop(self) -> Result<Loaded> {
        terminate(&self.child)?;
        self.finish()
    }
}

impl Drop for Loadgen {
    fn drop(&mut self) {
        // Does nothing to a process that was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
