//! The service tickets: what is for sale, and which order has it.

use std::process::ExitCode;

use thalweg::Program;
use ticketing::programs;

fn main() -> ExitCode {
    Program {
        name: "tickets",
        about: "The service tickets: what is for sale, and which order has it.",
        variables: &programs::TICKETS_VARIABLES,
    }
    .run(programs::tickets)
}
