//! The verifier: reads the topic once, from the first record to the last, and says what must have come of it.
//!
//! Its rules are written from the contract of the flow, with `serde_json::Value` and nothing of the engine: where
//! the two disagree, one of them is wrong, and the report names the document or the dead letter that shows it.

pub mod acknowledged;
pub mod compare;
pub mod dead_letters;
pub mod decode;
pub mod dedupe;
pub mod documents;
pub mod elasticsearch;
pub mod examples;
pub mod index;
pub mod mapping;
pub mod nesting;
pub mod reader;
pub mod reason;
pub mod report;
pub mod run;
pub mod settings;
pub mod stand_in;
pub mod timestamp;
pub mod topic;
