//! The peer that is built by Go: one module, whose dependencies' checksums are among its sources.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use thalweg_testbed::process::run as run_to_end;

/// Fails with a sentence when there is no Go.
pub(super) fn check() -> Result<()> {
    run_to_end(Command::new("go").arg("version"))
        .map(drop)
        .context("the peer benthos is built by Go 1.24 or newer, and there is no `go` that runs on the PATH")
}

/// Builds the module in `work/folder` into the program [`program`] names.
pub(super) fn build(work: &Path, folder: &str) -> Result<()> {
    run_to_end(
        Command::new("go")
            .current_dir(work.join(folder))
            // As its own releases are built; no C compiler is needed.
            .env("CGO_ENABLED", "0")
            // It lies in the cache, whatever repository that is in.
            .args(["build", "-mod=readonly", "-buildvcs=false", "-o", "program", "."]),
    )?;
    Ok(())
}

/// The program of a built folder.
pub(super) fn program(built: &Path, folder: &str) -> PathBuf {
    built.join(folder).join("program")
}
