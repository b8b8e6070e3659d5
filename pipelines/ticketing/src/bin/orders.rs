//! The service orders: who has which ticket, and until when.

use std::process::ExitCode;

use thalweg::Program;
use ticketing::programs;

fn main() -> ExitCode {
    Program {
        name: "orders",
        about: "The service orders: who has which ticket, and until when.",
        variables: &programs::ORDERS_VARIABLES,
    }
    .run(programs::orders)
}
