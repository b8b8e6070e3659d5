//! Loads the exactly-once copy and judges what it writes. See `verify-copy --help`.

use clap::Parser;
use loadgen::copied::{run, settings::Settings};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run::run(&Settings::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "verify-copy: {error:#}");
            ExitCode::FAILURE
        }
    }
}
