//! Thalweg's core: every decision of a worker, as state machines that do no I/O.
#![forbid(unsafe_code)]

pub mod batch;
pub mod failure;
pub mod flight;
pub mod headers;
pub mod outcome;
pub mod position;
pub mod record;
pub mod sink;
pub mod time;
pub mod tracker;
