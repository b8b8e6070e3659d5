//! The programs of the workspace that a run starts; they lie beside this one.

pub(crate) mod indexer;
pub(crate) mod instance;
pub(crate) mod loadgen;
pub(crate) mod metrics;
pub(crate) mod stand_in;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

/// Brings the programs up to date when this one was started by cargo.
pub(crate) fn build() -> Result<()> {
    let Some(cargo) = std::env::var_os("CARGO") else { return Ok(()) };
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "-p", "message-search", "-p", "copy", "-p", "loadgen"]);
    command.args(["-p", "thalweg-testbed", "-p", "thalweg-benches", "--bins"]);
    if !command.status()?.success() {
        bail!("the programs can't be built");
    }
    Ok(())
}

/// The program of that name.
pub(crate) fn command(name: &str) -> Result<Command> {
    let path = beside_this(name)?;
    if !path.exists() {
        bail!(
            "{} is not there: start this by `cargo run --release`, which builds what it needs",
            path.display()
        );
    }
    Ok(Command::new(path))
}

/// Has what a flow made of the topic verified, by loadgen's `verify`; `made` says where it is. The topic has no poison.
pub(crate) fn verify(brokers: &str, topic: &str, made: &[&str]) -> Result<()> {
    let mut verify = command("verify")?;
    verify.args(["--brokers", brokers, "--topic", topic, "--dead-letters", "none"]).args(made);
    let verified = verify.stdout(Stdio::null()).stderr(Stdio::piped()).output()?;
    if !verified.status.success() {
        bail!("what was written is wrong:\n{}", String::from_utf8_lossy(&verified.stderr));
    }
    Ok(())
}

fn beside_this(name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    Ok(this.parent().context("this program lies in a folder")?.join(name))
}

/// Asks a process to end.
pub(crate) fn terminate(child: &Child) -> Result<()> {
    let pid = rustix::process::Pid::from_child(child);
    Ok(rustix::process::kill_process(pid, rustix::process::Signal::TERM)?)
}
