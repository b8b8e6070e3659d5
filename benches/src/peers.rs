//! The peers of the end-to-end benchmarks: what others published, set up as `benches/peers/README.md` says. They are
//! built once into the cache, each run is a process of its own, and none of them is needed for the tests.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use thalweg_testbed::process::run as run_to_end;
use thalweg_testbed::{folder, machine};

/// What the peers are built from.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// A program of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Peer {
    /// Kafka Streams.
    KafkaStreams,
    /// Confluent Parallel Consumer, in key order.
    ParallelConsumer,
    /// Kafka Streams, of the exactly-once copy.
    ExactlyOnceStreams,
}

impl Peer {
    const ALL: [Self; 3] = [Self::KafkaStreams, Self::ParallelConsumer, Self::ExactlyOnceStreams];

    /// Its folder below the sources, which is its Maven module too.
    fn folder(self) -> &'static str {
        match self {
            Self::KafkaStreams | Self::ExactlyOnceStreams => "kafka-streams",
            Self::ParallelConsumer => "parallel-consumer",
        }
    }

    fn main_class(self) -> &'static str {
        match self {
            Self::KafkaStreams => "thalweg.peers.KafkaStreamsArm",
            Self::ParallelConsumer => "thalweg.peers.ParallelConsumerArm",
            Self::ExactlyOnceStreams => "thalweg.peers.ExactlyOnceArm",
        }
    }

    /// What it runs with: its own jar, and beside it everything it depends on.
    fn jars(self, built: &Path) -> [PathBuf; 2] {
        let target = built.join(self.folder()).join("target");
        [target.join(format!("{}-1.jar", self.folder())), target.join("lib")]
    }
}

/// What runs a peer by hand, or for a run.
#[derive(Debug, clap::Args)]
pub(crate) struct PeerSettings {
    /// Which.
    #[arg(value_enum)]
    peer: Peer,
    /// Options of the JVM, for what was tried besides: `--jvm -Dthreads=8`.
    #[arg(long, allow_hyphen_values = true)]
    jvm: Vec<String>,
    /// What every arm is told: `--workload counting --brokers HOST:PORT --topic T --group G --records N`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds all peers into the cache, from Maven Central, unless they are there and up to date.
pub(crate) fn prepare() -> Result<()> {
    let cache = folder::cache()?;
    // Maven brings a JDK on Debian; without one the command says so itself.
    let java_home = machine::java_home()?;
    let _lock = folder::lock(&cache)?;
    let built = cache.join("peers");
    if Peer::ALL.iter().all(|peer| is_up_to_date(*peer, &built)) {
        eprintln!("the peers are up to date in {}", built.display());
        return Ok(());
    }
    let work = cache.join("peers.part");
    remove(&work)?;
    copy(Path::new(SOURCES), &work)?;
    eprintln!("building the peers in {} (once; downloads 130 MB from Maven Central)", cache.display());
    run_to_end(
        Command::new("mvn")
            .current_dir(&work)
            .env("JAVA_HOME", java_home)
            .args(["--batch-mode", "--quiet", "--no-transfer-progress"])
            .arg(format!("-Dmaven.repo.local={}", cache.join("maven").display()))
            .arg("package"),
    )?;
    remove(&built)?;
    fs::rename(&work, &built).with_context(|| format!("can't move {}", work.display()))?;
    Ok(())
}

/// The command that starts a peer, without the arguments that every arm takes.
pub(crate) fn command(peer: Peer, jvm: &[String]) -> Result<Command> {
    let built = folder::cache()?.join("peers");
    if !is_up_to_date(peer, &built) {
        bail!(
            "{} is not built, or from other sources than these: run `thalweg-benches prepare-peers`",
            peer.folder()
        );
    }
    let [own, others] = peer.jars(&built);
    let mut command = Command::new(machine::java_home()?.join("bin/java"));
    command
        // The JVM's collector for throughput: with it every peer used less CPU than with the default one.
        .args(["-XX:+UseParallelGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"])
        .args(jvm)
        .arg("-cp")
        .arg(format!("{}:{}/*", own.display(), others.display()))
        .arg(peer.main_class());
    Ok(command)
}

/// Becomes the peer; comes back only when that fails.
pub(crate) fn become_peer(settings: &PeerSettings) -> Result<()> {
    let mut command = command(settings.peer, &settings.jvm)?;
    Err(command.args(&settings.arguments).exec()).context("java can't be started")
}

/// Whether the peer was built, from the sources as they are now: the build lies beside a copy of them.
fn is_up_to_date(peer: Peer, built: &Path) -> bool {
    peer.jars(built).iter().all(|path| path.exists()) && is_copy(Path::new(SOURCES), built)
}

/// Whether every file below `from` is below `to` as it is. What else is there is not looked at.
fn is_copy(from: &Path, to: &Path) -> bool {
    let Ok(entries) = fs::read_dir(from) else { return false };
    entries.flatten().all(|entry| {
        let (path, copied) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            is_copy(&path, &copied)
        } else {
            matches!((fs::read(&path), fs::read(&copied)), (Ok(ours), Ok(theirs)) if ours == theirs)
        }
    })
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("can't make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("can't read {}", from.display()))? {
        let entry = entry?;
        let (path, copied) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &copied)?;
        } else {
            fs::copy(&path, &copied).with_context(|| format!("can't copy {}", path.display()))?;
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("can't remove {}", folder.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_or_missing_source_makes_a_build_old() -> Result<()> {
        let (sources, built) = (tempfile::tempdir()?, tempfile::tempdir()?);
        fs::create_dir(sources.path().join("inner"))?;
        fs::write(sources.path().join("inner/Main.java"), "one")?;
        copy(sources.path(), built.path())?;
        fs::create_dir(built.path().join("target"))?;
        assert!(is_copy(sources.path(), built.path()));
        fs::write(sources.path().join("inner/Main.java"), "two")?;
        assert!(!is_copy(sources.path(), built.path()), "a source changed");
        fs::write(built.path().join("inner/Main.java"), "two")?;
        fs::write(sources.path().join("pom.xml"), "new")?;
        assert!(!is_copy(sources.path(), built.path()), "a source is new");
        Ok(())
    }
}
