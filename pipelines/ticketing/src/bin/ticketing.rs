//! Tickets, orders, payments and expiration in one process.

use std::process::ExitCode;

use thalweg::Program;
use ticketing::{demo, programs};

fn main() -> ExitCode {
    Program {
        name: "ticketing",
        about: "Tickets, orders, payments and expiration in one process.",
        variables: &programs::TICKETING_VARIABLES,
    }
    .run_or_try(programs::ticketing, demo::TRYOUT)
}
