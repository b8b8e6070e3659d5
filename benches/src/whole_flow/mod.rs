//! What a whole flow costs: the real `message-indexer` from a filled topic to a stand-in for Elasticsearch that answers
//! at once, in a process of its own; what it wrote is verified from the stand-in's record.

mod indexer;
mod rounds;
mod topic;
mod verified;

pub(crate) use indexer::{Cost, run as index};
pub(crate) use rounds::{Settings, run};
pub(crate) use topic::Events;
pub(crate) use verified::cost_of;
