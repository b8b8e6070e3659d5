//! Counters that are raised by HTTP requests, each exactly once.

use std::process::ExitCode;

use thalweg::Program;

fn main() -> ExitCode {
    Program {
        name: "counters",
        about: "Counters that are raised by HTTP requests, each exactly once.",
        variables: &counters::VARIABLES,
    }
    .run(counters::flow)
}
