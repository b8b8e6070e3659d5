//! The binary as a user starts it, against the real Kafka and Elasticsearch.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is a test, helpers included"
)]

mod histories;
mod index;
mod indexer;
mod refusals;
mod scene;
mod settings_file;
mod stops;
mod topic;
mod topic_changes;
