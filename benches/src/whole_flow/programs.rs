//! The programs of the workspace that a run starts; they lie beside this one.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Brings the programs up to date when this one was started by cargo.
pub(super) fn build() -> Result<()> {
    let Some(cargo) = std::env::var_os("CARGO") else { return Ok(()) };
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "-p", "message-search", "-p", "loadgen", "-p", "thalweg-testbed"]);
    if !command.status()?.success() {
        bail!("the programs can't be built");
    }
    Ok(())
}

/// The program of that name.
pub(super) fn command(name: &str) -> Result<Command> {
    let path = beside_this(name)?;
    if !path.exists() {
        bail!(
            "{} is not there: start this by `cargo run --release`, which builds what it needs",
            path.display()
        );
    }
    Ok(Command::new(path))
}

fn beside_this(name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    Ok(this.parent().context("this program lies in a folder")?.join(name))
}
