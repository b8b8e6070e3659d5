//! The auditor of the ticketing services: from what readers of committed records see on the topics, what the provider's
//! ledger holds and what users were answered, it says which rules were broken.
//!
//! Shares no code with the services, and no types: it reads the documented names. A pure function ([`audit`]).

mod book;
mod charges;
mod commands;
mod expirations;
mod history;
mod orders;
mod payments;
mod report;
mod tickets;

use book::Book;
pub use history::{Answered, Entry, History, Record, Sent, Verb};
pub use report::{Counts, Problem, Report, Rule};

/// Judges a history that has come to its end: no command is under way, every deadline has passed, everything was read.
#[must_use]
pub fn audit(history: &History) -> Report {
    let mut report = Report::default();
    let book = Book::open(history, &mut report);
    tickets::audit(&book, &mut report);
    orders::audit(&book, &mut report);
    payments::audit(&book, &mut report);
    expirations::audit(&book, &mut report);
    charges::audit(&book, &history.ledger, &mut report);
    commands::audit(&book, &history.commands, &mut report);
    report.counts.count(&book);
    report
}
