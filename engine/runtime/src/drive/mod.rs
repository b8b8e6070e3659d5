//! Driving one worker: real time, a real source and real connections around the core's state machine.

mod at_least_once;
mod commands;
mod counted;
mod events;
mod exactly_once;
mod looping;
mod membership;
mod old;
mod pace;
mod reading;
mod rebuild;
mod thread;
mod wake;
mod work;

pub(crate) use at_least_once::AtLeastOnce;
pub(crate) use exactly_once::ExactlyOnceWork;
pub(crate) use old::OldPartitions;
pub(crate) use reading::SPARE_BYTES_MAX;
pub(crate) use thread::{Ending, Plan, WorkerThread, start};
pub(crate) use work::Work;
