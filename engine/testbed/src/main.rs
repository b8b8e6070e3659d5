//! `cargo testbed`: the servers the tests need, and the tests on them.

mod command_line;
mod interrupt;
mod private_run;
mod runs;
mod shared;
mod stages;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use command_line::{Action, CommandLine};
use thalweg_testbed::process::POLL_INTERVAL;
use thalweg_testbed::stand_in::{StandIn, StandInOptions};
use thalweg_testbed::{TestbedError, machine};

fn main() -> ExitCode {
    let result = match CommandLine::parse().action {
        None => stages::run_all(),
        Some(Action::Prepare) => machine::prepare().map(|()| true),
        Some(Action::Up { servers }) => up(&servers).map(|()| true),
        Some(Action::Down { wipe }) => shared::down(wipe).map(|()| true),
        Some(Action::Status) => status().map(|()| true),
        Some(Action::Private { server, secured }) => private_run::run(server, secured).map(|()| true),
        Some(Action::CrashRun(settings)) => runs::crash_run(&settings),
        Some(Action::CopyRun(settings)) => runs::copy_run(&settings),
        Some(Action::TicketingRun(settings)) => runs::ticketing_run(&settings),
        Some(Action::BreakerRun(settings)) => runs::breaker_run(&settings),
        Some(Action::StandIn(settings)) => stand_in(&settings.into()).map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn up(servers: &[shared::Server]) -> Result<(), TestbedError> {
    machine::prepare()?;
    let wanted = if servers.is_empty() { shared::Server::ALL } else { servers };
    shared::start(wanted)?;
    status()
}

/// Prints where the servers are, as `NAME=ADDRESS` lines that a shell can read.
fn status() -> Result<(), TestbedError> {
    let addresses = thalweg_testbed::servers::Addresses::running()?;
    let variables = addresses.variables();
    if variables.is_empty() {
        eprintln!("nothing runs; `cargo testbed up kafka elasticsearch` starts both servers");
    }
    let mut out = std::io::stdout().lock();
    for (name, address) in variables {
        // A closed pipe is the reader's business.
        let _ = writeln!(out, "{name}={address}");
    }
    Ok(())
}

fn stand_in(options: &StandInOptions) -> Result<(), TestbedError> {
    let failed =
        |source| TestbedError::File { path: options.record.clone().unwrap_or("stand-in".into()), source };
    interrupt::catch().map_err(failed)?;
    let server = StandIn::start(options).map_err(failed)?;
    // A closed pipe is the reader's business.
    let _ = writeln!(std::io::stdout(), "{}", server.url());
    while !interrupt::interrupted() {
        std::thread::sleep(POLL_INTERVAL);
    }
    server.flush().map_err(failed)?;
    eprintln!("stand-in: {} items answered", server.items());
    Ok(())
}
