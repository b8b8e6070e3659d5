//! One folder per outside system.

pub mod elasticsearch;
pub mod kafka;
