//! Writes a topic of message events at a given pace. See `loadgen --help`.

use clap::{CommandFactory, Parser, error::ErrorKind};
use loadgen::load::generator::Generator;
use loadgen::load::run;
use loadgen::load::settings::Settings;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let settings = Settings::parse();
    let (profile, shape) = match settings.pace().and_then(|profile| Ok((profile, settings.shape()?))) {
        Ok(both) => both,
        Err(message) => Settings::command().error(ErrorKind::ValueValidation, message).exit(),
    };
    let seed = shape.seed;
    match run::run(&settings, profile, Generator::new(shape), seed) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "loadgen: {error:#}");
            ExitCode::FAILURE
        }
    }
}
