//! What can be asked of `cargo testbed`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use thalweg_testbed::stand_in::{Keep, StandInOptions};

use crate::runs::{BreakerSettings, CopySettings, CrashSettings, TicketingSettings};
use crate::shared::Server;

/// Prepares this machine, starts real Kafka and Elasticsearch, runs every test against them, stops what it started.
#[derive(Debug, Parser)]
#[command(name = "cargo testbed", bin_name = "cargo testbed", after_help = TEACHING)]
pub(crate) struct CommandLine {
    /// Without one: prepare, start, test, stop.
    #[command(subcommand)]
    pub(crate) action: Option<Action>,
}

/// One thing to do instead of everything.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Installs what this machine lacks to build and test everything, or lists it.
    Prepare,
    /// Starts servers and leaves them running (all of them if none is named); prints their addresses.
    Up {
        /// Which.
        #[arg(value_enum)]
        servers: Vec<Server>,
    },
    /// Stops the servers that `up` left running.
    Down {
        /// Also removes their data and logs.
        #[arg(long)]
        wipe: bool,
    },
    /// Prints the addresses of the servers that run.
    Status,
    /// Runs a server of its own ports and empty data, until interrupted; prints its address and its folder.
    Private {
        /// Which.
        #[arg(value_enum)]
        server: Server,
        /// With TLS: Kafka's SASL_SSL listener too, Elasticsearch by HTTPS and with a user only.
        #[arg(long)]
        secured: bool,
    },
    /// Kills, suspends and stops instances of message-indexer under load, then checks that everything is right.
    CrashRun(CrashSettings),
    /// Kills instances of copy under load, and checks what a reader of committed records sees all the while.
    CopyRun(CopySettings),
    /// Kills instances of the ticketing services under load, and has what they did audited.
    TicketingRun(TicketingSettings),
    /// Takes Elasticsearch away under load, then refuses one document throughout; checks that nothing else suffers.
    BreakerRun(BreakerSettings),
    /// Runs a stand-in for Elasticsearch that answers at once and records what it was told, until interrupted.
    StandIn(StandInSettings),
}

/// How the stand-in works.
#[derive(Debug, clap::Args)]
pub(crate) struct StandInSettings {
    /// The port on 127.0.0.1; 0 for any (printed).
    #[arg(long, default_value_t = 9201)]
    pub(crate) port: u16,
    /// What it keeps of documents.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) keep: Keep,
    /// Gets a JSON line per item of every bulk request.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Records the documents' bodies too.
    #[arg(long, requires = "record")]
    pub(crate) record_bodies: bool,
}

impl From<StandInSettings> for StandInOptions {
    fn from(settings: StandInSettings) -> Self {
        let StandInSettings { port, keep, record, record_bodies } = settings;
        Self { port, keep, record, record_bodies }
    }
}

const TEACHING: &str = "\
A day with it:
  cargo testbed                          everything, as CI does; needs nothing running
  cargo testbed up kafka elasticsearch   start both (seconds, after the first time) ...
  cargo test -p thalweg-connectors       ... then any test, as often as you like
  cargo testbed down                     stop them; --wipe forgets their data

Servers of your own: name them in THALWEG_KAFKA (HOST:PORT) and THALWEG_ELASTICSEARCH
(http://HOST:PORT). What is named is neither started nor stopped. Tests with a fault proxy
need a Kafka listener that is at THALWEG_KAFKA_PROXY_TARGET (HOST:PORT) and advertised at
THALWEG_KAFKA_PROXIED, where the proxy will listen.

What is missing on this machine (a JDK of version 17 or newer, Maven, openssl, perl,
make, compilers) is installed with apt-get for root on Debian; else it is listed, and the
command fails. Docker is neither used nor needed.

Folders:
  downloads             $THALWEG_CACHE, $XDG_CACHE_HOME/thalweg or ~/.cache/thalweg
                        (250 MB, fetched once)
  programs, data, logs  $THALWEG_SERVERS or /var/tmp/thalweg-servers-<uid>";
