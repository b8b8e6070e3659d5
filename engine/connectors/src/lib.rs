//! One folder per outside system.

pub mod kafka;
