//! The service payments: who pays for which order; asks the provider.

use std::process::ExitCode;

use thalweg::Program;
use ticketing::programs;

fn main() -> ExitCode {
    Program {
        name: "payments",
        about: "The service payments: who pays for which order; asks the provider.",
        variables: &programs::PAYMENTS_VARIABLES,
    }
    .run(programs::payments)
}
