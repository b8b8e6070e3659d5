//! The document sink as a whole, flight by flight, against Elasticsearch's twin: whatever is replayed, lost or refused,
//! the index ends as a sequential reader of the log would leave it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on must fail")]

mod flights;
mod histories;
mod verdicts;
