//! Driving one worker: real time, a real source and real connections around the core's state machine.

mod commands;
mod events;
mod looping;
mod old;
mod reading;
mod rebuild;
mod thread;
mod wake;

pub(crate) use old::OldPartitions;
pub(crate) use reading::SPARE_BYTES_MAX;
pub(crate) use thread::{Ending, Plan, WorkerThread, start};
