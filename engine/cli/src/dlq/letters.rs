//! Reading a dead-letter topic.

use std::time::Duration;

use thalweg::kafka::{LoggedRecord, Polled, Span, SpanReader};

use crate::connection::Connection;
use crate::failure::Failure;
use crate::interrupt::Interrupt;

/// How long a look for the next record waits, and so how long a Ctrl-C may go unnoticed.
pub(crate) const POLL: Duration = Duration::from_millis(100);

/// Shows every record of those stretches, each partition's in order; false when somebody asked to end before.
pub(crate) fn each(
    connection: &Connection,
    spans: &[Span],
    interrupt: &Interrupt,
    mut visit: impl FnMut(LoggedRecord) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    let mut reader = SpanReader::open(&connection.kafka, &connection.topic, spans)?;
    while !interrupt.is_asked() {
        match reader.poll(POLL)? {
            Polled::Record(record) => visit(record)?,
            Polled::Nothing => {}
            Polled::End => return Ok(true),
        }
    }
    Ok(false)
}
