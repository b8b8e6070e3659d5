//! What can be asked of `cargo testbed`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use thalweg_testbed::stand_in::{Keep, StandInOptions};

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
  cargo testbed up kafka elasticsearch   start both once (seconds, after the first time) ...
  cargo test -p thalweg-connectors       ... then run any test as often as you like; tests find the servers themselves
  cargo testbed down                     stop them; --wipe forgets their data

Tests against servers of your own: name them in THALWEG_KAFKA (HOST:PORT) and THALWEG_ELASTICSEARCH (http://HOST:PORT);
what is named is neither started nor stopped. THALWEG_KAFKA_PROXIED and THALWEG_KAFKA_PROXY_TARGET (HOST:PORT) are for a
listener that the broker advertises at the first address and has at the second, so that a fault proxy fits between.

What is missing (a JDK of version 17 or newer, Maven, make, compilers) is installed with apt-get when run as root on
Debian; otherwise it is listed and the command fails. Docker is not used, and not needed.

Folders:
  downloads              $THALWEG_CACHE, else $XDG_CACHE_HOME/thalweg, else ~/.cache/thalweg   (250 MB, fetched once)
  programs, data, logs   $THALWEG_SERVERS, else /var/tmp/thalweg-servers-<uid>";
