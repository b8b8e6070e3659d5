//! The binary as a user starts it, against the real Kafka.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is a test, helpers included"
)]

mod client;
mod limits;
mod order;
mod outages;
mod refusals;
mod repeats;
mod scene;
mod settings_file;
mod topics;
mod views;
mod views_bad_days;
