//! What the engine costs. Every run checks what it read or wrote; a run that did the wrong thing has no figures.

mod cpu;
mod reading;
mod report;
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
    /// One arm of one round, in a process of its own.
    #[command(hide = true)]
    ReadingArm(reading::ArmSettings),
}

fn main() -> ExitCode {
    let done = match CommandLine::parse().what {
        What::Reading(settings) => reading::run(&settings),
        What::WholeFlow(settings) => whole_flow::run(&settings),
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
