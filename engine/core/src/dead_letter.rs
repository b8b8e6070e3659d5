//! A dead letter: the original record and why it could not be processed.

use crate::failure::Reason;
use crate::record::Record;
use crate::sink::{Domain, SinkMachine};

/// The header that a replayed dead letter carries: how often its record was replayed, in decimal. It is part of the
/// event's id ([`crate::dedupe::EventId`]), so that a replay is no duplicate of the record that failed, and it is what
/// ends a loop of replays. Everything else of the record is as it was.
pub const REPLAY_COUNT: &str = "dlq.replay_count";

/// All that a dead letter says.
#[derive(Debug, Clone, Copy)]
pub struct DeadLetter<'a> {
    /// The original: key, value and headers go out unchanged.
    pub record: &'a Record<'a>,
    /// The topic it was read from.
    pub topic: &'a str,
    /// The number of its partition in that topic.
    pub partition_number: i32,
    /// The flow that refused it.
    pub flow: &'a str,
    /// The operator or sink that refused it.
    pub stage: &'a str,
    /// Why.
    pub reason: &'a Reason,
    /// How often it was tried; 0 when refused before any try.
    pub attempts: u32,
    /// Wall clock of the first failure, ms since 1970.
    pub first_failure_ms: i64,
    /// Wall clock of the last failure, ms since 1970.
    pub last_failure_ms: i64,
}

/// A sink that takes dead letters.
pub trait DeadLetterSink: SinkMachine {
    /// Appends the dead letter's bytes to `into`; it must not be lost for its size.
    fn encode(&self, letter: &DeadLetter<'_>, into: &mut Vec<u8>) -> Domain;
}
