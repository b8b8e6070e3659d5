//! `thalweg`: what people do by hand beside the flows.
#![forbid(unsafe_code)]

mod command_line;
mod connection;
mod dlq;
mod failure;
mod interrupt;
mod token;

use std::process::ExitCode;

use clap::Parser;
use command_line::{Command, CommandLine, DeadLetters};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    // The Kafka client's own lines say what our last line says better; RUST_LOG shows them.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let done = match CommandLine::parse().command {
        Command::Dlq { command: DeadLetters::List(options) } => dlq::list::run(&options),
        Command::Dlq { command: DeadLetters::Show(options) } => dlq::show::run(&options),
        Command::Dlq { command: DeadLetters::Replay(options) } => dlq::replay::run(&options),
        Command::Token(options) => token::run(&options),
    };
    match done {
        Ok(code) => code,
        Err(failure) => {
            complain(&format!("thalweg: {failure}"));
            ExitCode::from(failure.code())
        }
    }
}

#[expect(clippy::print_stderr, reason = "the last word of a program that fails")]
fn complain(text: &str) {
    eprintln!("{text}");
}
