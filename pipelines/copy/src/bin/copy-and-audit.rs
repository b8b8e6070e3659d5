//! `copy`, and beside it in the same program a flow that looks at what it has counted: how a program has several flows.

use std::process::ExitCode;

use thalweg::Program;

fn main() -> ExitCode {
    Program {
        name: "copy-and-audit",
        about: "Copies a topic exactly once with a count for each key, and audits the counts.",
        variables: &copy::VARIABLES,
    }
    .run(copy::copy_and_audit)
}
