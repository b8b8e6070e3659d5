//! Long runs of the programs that users run (`loadgen`, `message-indexer`, `verify`; `copy`, `verify-copy`; the ticketing
//! services and who judges them) on the real servers, with faults.
//!
//! Nothing here shares code with the engine: programs are started, signalled and asked over HTTP, and what came of it
//! is judged by `verify`, `verify-copy` and `ticketing-audit`, which share no code with the engine either.

mod admin;
mod breaker;
mod chaos;
mod copy;
mod crash;
mod crash_report;
mod crew;
mod drain;
mod evidence;
mod fleet;
mod ground;
mod indexer;
mod kafka_ground;
mod load;
mod log_dump;
mod outage;
mod plan;
mod program;
mod programs;
mod progress;
mod settings;
mod stubborn;
mod ticketing;
mod ticketing_report;
mod verdict;
mod watch;

pub(crate) use breaker::run as breaker_run;
pub(crate) use copy::run as copy_run;
pub(crate) use crash::run as crash_run;
pub(crate) use settings::{BreakerSettings, CopySettings, CrashSettings, TicketingSettings};
pub(crate) use ticketing::run as ticketing_run;

use std::io::Write;

use serde::Serialize;
use thalweg_testbed::TestbedError;

use crate::interrupt;

/// Something outside of this program did not do what it should.
fn failed(what: &str, reason: impl std::fmt::Display) -> TestbedError {
    TestbedError::Command { command: what.to_owned(), reason: format!("{reason}") }
}

/// An error once somebody wants the run to end.
fn go_on() -> Result<(), TestbedError> {
    if interrupt::interrupted() { Err(failed("the run", "interrupted")) } else { Ok(()) }
}

/// The last line of standard output.
fn print<T: Serialize>(report: &T) -> Result<(), TestbedError> {
    let line = serde_json::to_string(report).map_err(|error| failed("the report", error))?;
    // A closed pipe is the reader's business.
    let _ = writeln!(std::io::stdout(), "{line}");
    Ok(())
}
