//! The peers of the end-to-end benchmarks: what others published, set up as `benches/peers/README.md` says. They are
//! built once into the cache, each run is a process of its own, and none of them is needed for the tests.

mod go;
mod jvm;
mod sources;

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use thalweg_testbed::folder;

/// What the peers are built from.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// A program of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Peer {
    /// Kafka Streams.
    KafkaStreams,
    /// Kafka Streams, of the exactly-once copy.
    ExactlyOnceStreams,
    /// Confluent Parallel Consumer, in key order.
    ParallelConsumer,
    /// Benthos 4.27.0, which is named Redpanda Connect today.
    Benthos,
}

/// What it is built by and runs on.
enum Kind {
    Jvm(jvm::Module),
    Go,
}

impl Peer {
    const ALL: [Self; 4] =
        [Self::KafkaStreams, Self::ExactlyOnceStreams, Self::ParallelConsumer, Self::Benthos];

    /// Its folder below the sources, which is its Maven module too.
    fn folder(self) -> &'static str {
        match self {
            Self::KafkaStreams | Self::ExactlyOnceStreams => "kafka-streams",
            Self::ParallelConsumer => "parallel-consumer",
            Self::Benthos => "benthos",
        }
    }

    fn kind(self) -> Kind {
        let module = |main_class| Kind::Jvm(jvm::Module { folder: self.folder(), main_class });
        match self {
            Self::KafkaStreams => module("thalweg.peers.KafkaStreamsArm"),
            Self::ExactlyOnceStreams => module("thalweg.peers.ExactlyOnceArm"),
            Self::ParallelConsumer => module("thalweg.peers.ParallelConsumerArm"),
            Self::Benthos => Kind::Go,
        }
    }

    /// Whether it was built, from the sources as they are now: the build lies beside a copy of them.
    fn is_up_to_date(self, built: &Path) -> bool {
        let is_built = match self.kind() {
            Kind::Jvm(module) => module.is_built(built),
            Kind::Go => go::program(built, self.folder()).exists(),
        };
        is_built && sources::is_copy(Path::new(SOURCES), built)
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

/// Builds all peers into the cache, from Maven Central and the Go module proxy, unless they are there and up to date.
pub(crate) fn prepare() -> Result<()> {
    let cache = folder::cache()?;
    let _lock = folder::lock(&cache)?;
    let built = cache.join("peers");
    if Peer::ALL.iter().all(|peer| peer.is_up_to_date(&built)) {
        eprintln!("the peers are up to date in {}", built.display());
        return Ok(());
    }
    // Both before anything is downloaded.
    let java_home = jvm::java_home()?;
    go::check()?;
    let work = cache.join("peers.part");
    sources::remove(&work)?;
    sources::copy(Path::new(SOURCES), &work)?;
    eprintln!("building the peers in {} (once; downloads 240 MB)", cache.display());
    jvm::build(&work, &cache, &java_home)?;
    go::build(&work, Peer::Benthos.folder())?;
    sources::remove(&built)?;
    fs::rename(&work, &built).with_context(|| format!("can't move {}", work.display()))?;
    Ok(())
}

/// The command that starts a peer, without the arguments that every arm takes.
pub(crate) fn command(peer: Peer, jvm: &[String]) -> Result<Command> {
    let built = folder::cache()?.join("peers");
    if !peer.is_up_to_date(&built) {
        bail!(
            "{} is not built, or from other sources than these: run `thalweg-benches prepare-peers`",
            peer.folder()
        );
    }
    match peer.kind() {
        Kind::Jvm(module) => module.command(&built, jvm),
        Kind::Go if jvm.is_empty() => Ok(Command::new(go::program(&built, peer.folder()))),
        Kind::Go => bail!("{} runs on no JVM: it takes no --jvm", peer.folder()),
    }
}

/// Becomes the peer; comes back only when that fails.
pub(crate) fn become_peer(settings: &PeerSettings) -> Result<()> {
    let mut command = command(settings.peer, &settings.jvm)?;
    let error = command.args(&settings.arguments).exec();
    Err(error).with_context(|| format!("{} can't be started", command.get_program().display()))
}
