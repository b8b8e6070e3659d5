//! One folder per outside system.

pub mod elasticsearch;
pub mod http;
pub mod kafka;
