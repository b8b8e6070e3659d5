//! The peers that run on the JVM: one Maven build, with its repository in the cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use thalweg_testbed::machine;
use thalweg_testbed::process::run as run_to_end;

/// A module of that build.
#[derive(Debug, Clone, Copy)]
pub(super) struct Module {
    pub(super) folder: &'static str,
    pub(super) main_class: &'static str,
}

/// The JDK to build and run with.
pub(super) fn java_home() -> Result<PathBuf> {
    // Maven brings a JDK on Debian; without one the command says so itself.
    Ok(machine::java_home()?)
}

/// Builds every module of the sources in `work`.
pub(super) fn build(work: &Path, cache: &Path, java_home: &Path) -> Result<()> {
    run_to_end(
        Command::new("mvn")
            .current_dir(work)
            .env("JAVA_HOME", java_home)
            .args(["--batch-mode", "--quiet", "--no-transfer-progress"])
            .arg(format!("-Dmaven.repo.local={}", cache.join("maven").display()))
            .arg("package"),
    )?;
    Ok(())
}

impl Module {
    /// What it runs with: its own jar, and beside it everything it depends on.
    fn jars(self, built: &Path) -> [PathBuf; 2] {
        let target = built.join(self.folder).join("target");
        [target.join(format!("{}-1.jar", self.folder)), target.join("lib")]
    }

    pub(super) fn is_built(self, built: &Path) -> bool {
        self.jars(built).iter().all(|path| path.exists())
    }

    pub(super) fn command(self, built: &Path, options: &[String]) -> Result<Command> {
        let [own, others] = self.jars(built);
        let mut command = Command::new(java_home()?.join("bin/java"));
        command
            // The JVM's collector for throughput: with it every peer used less CPU than with the default one.
            .args(["-XX:+UseParallelGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"])
            .args(options)
            .arg("-cp")
            .arg(format!("{}:{}/*", own.display(), others.display()))
            .arg(self.main_class);
        Ok(command)
    }
}
