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
mod dashboards;
mod four_programs;
mod orders;
mod provider;
#[path = "../../../message-search/tests/queries/mod.rs"]
mod queries;
mod repeats;
mod scene;
mod settings_file;
mod topics;
