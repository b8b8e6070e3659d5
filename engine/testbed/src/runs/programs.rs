//! Where the programs under test are: built as a user would, or named.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use thalweg_testbed::TestbedError;

use super::failed;

/// What the runs of the indexer need: packages, and programs of theirs.
pub(crate) const OF_INDEXER: [(&str, &str); 3] =
    [("loadgen", "loadgen"), ("loadgen", "verify"), ("message-search", "message-indexer")];

/// The folder with the programs of a run.
pub(crate) struct Programs(PathBuf);

impl Programs {
    /// Those in `folder`, or else built now with cargo's `profile`: each of a package.
    pub(crate) fn find(
        folder: Option<&Path>,
        profile: &str,
        wanted: &[(&str, &str)],
    ) -> Result<Self, TestbedError> {
        let programs = match folder {
            Some(folder) => Self(folder.to_path_buf()),
            None => Self(build(profile, wanted)?),
        };
        for (_, name) in wanted {
            let path = programs.0.join(name);
            if !path.is_file() {
                return Err(failed(name, format!("there is no {}", path.display())));
            }
        }
        Ok(programs)
    }

    /// A command that runs one of them.
    pub(crate) fn command(&self, name: &str) -> Command {
        Command::new(self.0.join(name))
    }
}

fn build(profile: &str, wanted: &[(&str, &str)]) -> Result<PathBuf, TestbedError> {
    let root = crate::stages::workspace_root();
    let mut arguments = vec!["build", "--profile", profile];
    if profile == "dev" {
        // As the tests have them: what a test needs besides decides the features of dependencies, and most of these would be
        // built a second time without one.
        arguments.extend(["--workspace", "--test", "tidy"]);
        wanted.iter().for_each(|(_, name)| arguments.extend(["--bin", name]));
    } else {
        wanted.iter().for_each(|(package, name)| arguments.extend(["--package", package, "--bin", name]));
    }
    eprintln!("cargo {}", arguments.join(" "));
    let mut cargo = Command::new("cargo");
    let status = cargo.args(&arguments).current_dir(root).stdin(Stdio::null()).status();
    let status = status.map_err(|error| failed("cargo build", error))?;
    if !status.success() {
        return Err(failed("cargo build", status));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    // Cargo's own name for the folder of the profile `dev`.
    Ok(target.join(if profile == "dev" { "debug" } else { profile }))
}
