//! The services as a user starts them, against the real Kafka and a stand-in provider.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is a test, helpers included"
)]

mod charging;
mod client;
mod crowds;
mod four_programs;
mod instance;
mod orders;
mod provider;
mod repeats;
mod scene;
mod settings_file;
mod topics;
