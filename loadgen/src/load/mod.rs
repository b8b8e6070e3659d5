//! The load generator: an absolute schedule, records prepared from a seed, and a list of what was acknowledged.
//!
//! It is open loop: when a record is due does not depend on how the broker (or the generator) is doing, and its
//! latency counts from when it was due. A generator that waits for its system measures a system that is never
//! busy.

pub mod content;
pub mod conversations;
pub mod event;
pub mod generator;
pub mod hgrm;
pub mod history;
pub mod ids;
pub mod mix;
pub mod pacer;
pub mod poison;
pub mod popularity;
pub mod producer;
pub mod report;
pub mod run;
pub mod schedule;
pub mod settings;
pub mod topic;
