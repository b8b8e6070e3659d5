//! The binary as a user starts it, against the real Kafka.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is a test, helpers included"
)]

mod checker;
mod kills;
mod refusals;
mod scene;
mod settings_file;
mod several_flows;
mod snapshots;
mod takeovers;
mod topics;
mod written;
