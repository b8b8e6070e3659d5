//! People who sell, order and pay for tickets. They know the services by their HTTP only, find them again after they were
//! killed, and repeat what was not answered with the same idempotency key. What they wanted and were answered is listed for
//! `ticketing-audit`.
#![forbid(unsafe_code)]

mod answers;
mod board;
mod course;
mod latencies;
mod people;
mod services;
mod settings;
mod story;
mod tease;
mod token;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use settings::Settings;

fn main() -> ExitCode {
    match course::run(&Settings::parse()) {
        Ok(report) => {
            // A closed pipe is the reader's business.
            let _ = writeln!(std::io::stdout(), "{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ticketing-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}
