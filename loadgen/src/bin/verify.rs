//! Says whether a search index is what its topic makes of it. See `verify --help`.

use clap::{CommandFactory, Parser, error::ErrorKind};
use loadgen::verify::run;
use loadgen::verify::settings::Settings;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let settings = Settings::parse();
    let against = match settings.against() {
        Ok(against) => against,
        Err(message) => Settings::command().error(ErrorKind::ValueValidation, message).exit(),
    };
    match run::run(&settings, &against) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "verify: {error:#}");
            ExitCode::FAILURE
        }
    }
}
