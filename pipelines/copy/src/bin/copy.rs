//! Copies a topic exactly once, without its duplicates, and counts the records of each key.

use std::process::ExitCode;

use thalweg::Program;

fn main() -> ExitCode {
    Program {
        name: "copy",
        about: "Copies a topic exactly once, without its duplicates, and counts the records of each key.",
        variables: &copy::VARIABLES,
    }
    .run(copy::flow)
}
