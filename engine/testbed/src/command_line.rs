//! What can be asked of `cargo testbed`.

use clap::{Parser, Subcommand};

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
