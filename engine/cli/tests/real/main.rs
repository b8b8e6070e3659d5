//! The command as a user types it, against the real Kafka.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is a test, helpers included"
)]

mod command;
mod looking;
mod refusals;
mod replaying;
mod stops;
mod tokens;
mod topics;
