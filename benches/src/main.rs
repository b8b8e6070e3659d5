//! What the engine costs. Every run checks what it read or wrote; a run that did the wrong thing has no figures.

mod cpu;
mod peers;
mod reading;
mod report;
mod stream_consumer;
mod topic;
mod whole_flow;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures what the engine costs, on the servers of `cargo testbed up kafka`.
#[derive(Debug, Parser)]
#[command(name = "thalweg-benches")]
struct CommandLine {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// CPU per record of reading a topic, against bare loops that do the same with the client alone.
    Reading(reading::Settings),
    /// CPU per record of message-indexer, from a filled topic to a stand-in that answers at once.
    WholeFlow(whole_flow::Settings),
    /// Builds the peers of the end-to-end benchmarks into the cache; benches/peers/README.md says what they are.
    PreparePeers,
    /// Starts a peer in place of this process.
    Peer(peers::PeerSettings),
    /// Starts the peer that is a `StreamConsumer` and tokio tasks.
    StreamConsumer(stream_consumer::ArmSettings),
    /// One arm of one round, in a process of its own.
    #[command(hide = true)]
    ReadingArm(reading::ArmSettings),
}

fn main() -> ExitCode {
    let done = match CommandLine::parse().what {
        What::Reading(settings) => reading::run(&settings),
        What::WholeFlow(settings) => whole_flow::run(&settings),
        What::PreparePeers => peers::prepare(),
        What::Peer(settings) => peers::become_peer(&settings),
        What::StreamConsumer(settings) => stream_consumer::run_arm(&settings),
        What::ReadingArm(settings) => reading::run_arm(&settings),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
