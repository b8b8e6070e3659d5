//! A running pipeline binary: it is told its settings, asked for its metrics, stopped or killed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::metrics::{self, Metrics};
use super::terminate;

/// Time between two looks at its metrics: each costs it some microseconds.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// An instance; killed when dropped.
pub(crate) struct Instance {
    program: &'static str,
    child: Child,
    address: SocketAddr,
    log: PathBuf,
    begun: Instant,
}

impl Instance {
    /// Starts one of the group, with further settings as `KEY=VALUE`. Its log is kept when it does not end well.
    pub(crate) fn start(
        program: &'static str,
        (brokers, group): (&str, &str),
        settings: &[String],
    ) -> Result<Self> {
        let address = metrics::free_address()?;
        let log = std::env::temp_dir().join(format!("{group}-{}.log", address.port()));
        let file = std::fs::File::create(&log)?;
        let begun = Instant::now();
        let mut command = super::command(program)?;
        command
            .args(["--set", &format!("kafka.brokers={brokers}")])
            .args(["--set", &format!("kafka.group.id={group}")])
            .args(["--set", &format!("engine.admin_listen={address}")]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        let child = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn()?;
        Ok(Self { program, child, address, log, begun })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Since its process was started.
    pub(crate) fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Its metrics; `None` while it does not answer yet.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn metrics(&mut self) -> Result<Option<Metrics>> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended by itself: {status}; its log is {}", self.program, self.log.display());
        }
        Ok(Metrics::of(self.address).ok())
    }

    /// Waits until its metrics say what is `wanted`, and answers what that is.
    pub(crate) fn until<T>(
        &mut self,
        limit: Duration,
        what: &str,
        mut wanted: impl FnMut(&Metrics) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(found) = self.metrics()?.as_ref().and_then(&mut wanted) {
                return Ok(found);
            }
            if Instant::now() > deadline {
                bail!("{}: not {what} after {limit:?}; its log is {}", self.program, self.log.display());
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Stops it as a supervisor does.
    pub(crate) fn stop(mut self) -> Result<()> {
        terminate(&self.child)?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("{} did not stop cleanly: {status}; its log is {}", self.program, self.log.display());
        }
        std::fs::remove_file(&self.log).with_context(|| format!("can't remove {}", self.log.display()))
    }

    /// `kill -9`; comes back when it is gone.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        std::fs::remove_file(&self.log).with_context(|| format!("can't remove {}", self.log.display()))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Does nothing to a process that was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
