//! What the engine costs. Every run checks what it read or wrote; a run that did the wrong thing has no figures.

mod all;
mod batch_queue;
mod exactly_once;
mod ground;
mod hiccups;
mod indexing;
mod keyed;
mod latency;
mod memory;
mod peers;
mod programs;
mod reading;
mod recorded;
mod report;
mod restart;
mod scaling;
mod stream_consumer;
mod timers;
mod topic;
mod waking;
mod whole_flow;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use keyed::Workload;

/// Measures what the engine costs, on the servers of `cargo testbed up kafka` (`indexing` needs `elasticsearch` too).
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
    /// Records per second and CPU per record of counting by key; each arm is a program of its own.
    Counting(keyed::Settings),
    /// The same of waiting 1 ms for each record, one after the other of each key.
    Waiting(keyed::Settings),
    /// Documents per second into a real Elasticsearch, against a bare bulk client.
    Indexing(indexing::Settings),
    /// How late effects are, at a fixed rate and at half of what can be sustained.
    Latency(latency::Settings),
    /// Resident memory under load, with many partitions and keys.
    Memory(memory::Settings),
    /// CPU per record by numbers of keys and of partitions.
    Scaling(scaling::Settings),
    /// Time without effects after `kill -9`, and when a second instance joins.
    Restart(restart::Settings),
    /// Pending timers of an exactly-once flow: what they take, how fast they are, how late they run, and that none is lost.
    Timers(timers::Settings),
    /// CPU per record, throughput and latency of the exactly-once copy; each arm is a program of its own.
    ExactlyOnce(exactly_once::Settings),
    /// All of them, one after the other.
    All(all::Settings),
    /// Becomes the engine's arm of these two.
    #[command(hide = true)]
    KeyedFlow(keyed::Job),
    /// The bare arm of counting.
    #[command(hide = true)]
    KeyedBare(keyed::Job),
    /// Becomes the engine's arm of exactly-once.
    #[command(hide = true)]
    ExactlyOnceCopy(exactly_once::Job),
    /// The bare arm of exactly-once.
    #[command(hide = true)]
    ExactlyOnceBare(exactly_once::Job),
    /// Becomes the arm of exactly-once that is Kafka Streams.
    #[command(hide = true)]
    ExactlyOnceStreams(exactly_once::StreamsJob),
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
        What::Counting(settings) => keyed::run(Workload::Counting, &settings),
        What::Waiting(settings) => keyed::run(Workload::Waiting, &settings),
        What::Indexing(settings) => indexing::run(&settings),
        What::Latency(settings) => latency::run(&settings),
        What::Memory(settings) => memory::run(&settings),
        What::Scaling(settings) => scaling::run(&settings),
        What::Restart(settings) => restart::run(&settings),
        What::Timers(settings) => timers::run(&settings),
        What::ExactlyOnce(settings) => exactly_once::run(&settings),
        What::All(settings) => all::run(&settings),
        What::KeyedFlow(job) => keyed::become_flow(&job),
        What::KeyedBare(job) => keyed::run_bare(&job),
        What::ExactlyOnceCopy(job) => exactly_once::become_copy(&job),
        What::ExactlyOnceBare(job) => exactly_once::run_bare(&job),
        What::ExactlyOnceStreams(job) => exactly_once::become_streams(&job),
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
