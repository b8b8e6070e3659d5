//! Counters that are raised by HTTP requests, each exactly once: the smallest flow that takes commands, for trying out and
//! as a pattern.

mod counter;
mod flow;
mod requests;
mod settings;

pub use counter::{COUNTS, Counter, Standing};
pub use flow::flow;
pub use settings::{Settings, TopicSettings, VARIABLES};
