//! The service expiration: says when an order's time is over.

use std::process::ExitCode;

use thalweg::Program;
use ticketing::programs;

fn main() -> ExitCode {
    Program {
        name: "expiration",
        about: "The service expiration: says when an order's time is over.",
        variables: &programs::EXPIRATION_VARIABLES,
    }
    .run(programs::expiration)
}
