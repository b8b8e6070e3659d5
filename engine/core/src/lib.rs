//! Thalweg's core: every decision of a worker, as state machines that do no I/O.
#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    reason = "states invariants of our own accounting; outside data never decides one"
)]

mod admission;
pub mod batch;
pub mod breaker;
pub mod commit_metadata;
pub mod dead_letter;
pub mod dedupe;
pub mod exactly_once;
pub mod failure;
pub mod flight;
pub mod headers;
mod lane;
mod leb128;
pub mod measured;
pub mod operator;
mod originals;
pub mod outcome;
pub mod pacing;
pub mod position;
pub mod record;
pub mod retry;
pub mod sabotage;
mod shards;
pub mod sink;
mod sink_lanes;
pub mod state;
mod table;
pub mod time;
pub mod timers;
pub mod tracker;
pub mod worker;

pub use sink_lanes::{SinkSettings, SinkStatus};
