//! What a whole flow costs: the real `message-indexer` from a filled topic to a stand-in for Elasticsearch that answers
//! at once, in a process of its own; what it wrote is verified from the stand-in's record.

mod admin;
mod indexer;
mod programs;
mod rounds;
mod stand_in;

pub(crate) use rounds::{Settings, run};
