//! Load for the message-search flow, and the proof of what came of it.
//!
//! Two binaries share this crate and nothing else: [`load`] writes a topic at a given pace, [`verify`] reads it
//! back with rules of its own and says what the search index and the dead-letter topic must hold. Neither knows
//! the engine: a mistake made there can't hide behind the same mistake made here. What the two exchange is a
//! file, the list of what the broker acknowledged ([`acked`]).
//!
//! A third binary, `verify-copy`, does both for the exactly-once copy ([`copied`]).

pub mod acked;
pub mod brokers;
pub mod copied;
pub mod fingerprint;
pub mod load;
pub mod progress;
pub mod report_format;
pub mod verify;
