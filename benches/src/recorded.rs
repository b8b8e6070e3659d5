//! Runs that are kept: a folder each, under `benches/runs/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

const RUNS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/runs");

/// Keeps what a run printed, and its raw data, in a folder named after today and `bench`.
pub(crate) fn write(bench: &str, text: &str, json: &str) -> Result<()> {
    let today = first_line(Command::new("date").args(["-u", "+%F"]))?;
    let commit = first_line(Command::new("git").args(["-C", RUNS, "log", "-1", "--format=%h"]));
    let folder = unused(Path::new(RUNS), &format!("{today}-{bench}"));
    let name = folder.file_name().unwrap_or_default().display().to_string();
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let commit = commit.map(|commit| format!(" at {commit}")).unwrap_or_default();
    let readme = format!("# {name}\n\n`thalweg-benches {}`{commit}\n\n```\n{text}```\n", arguments.join(" "));
    fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
    fs::write(folder.join("report.json"), format!("{json}\n"))?;
    fs::write(folder.join("README.md"), readme)?;
    eprintln!("recorded in {}", folder.display());
    Ok(())
}

/// A folder of that name that is not there yet, with a number behind it if need be.
fn unused(runs: &Path, name: &str) -> PathBuf {
    let names = std::iter::once(name.to_owned()).chain((2u64..).map(|number| format!("{name}-{number}")));
    let mut folders = names.map(|name| runs.join(name));
    folders.find(|folder| !folder.exists()).unwrap_or_else(|| runs.join(name))
}

fn first_line(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("can't run {command:?}"))?;
    anyhow::ensure!(output.status.success(), "{command:?} failed: {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_run_overwrites_another() {
        let runs = tempfile::tempdir().unwrap();
        for wanted in ["day-what", "day-what-2", "day-what-3"] {
            let folder = unused(runs.path(), "day-what");
            assert_eq!(folder, runs.path().join(wanted));
            fs::create_dir(folder).unwrap();
        }
    }
}
