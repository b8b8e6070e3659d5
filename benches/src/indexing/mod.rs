//! How fast documents get into a real Elasticsearch: `message-indexer` from a filled topic, against a bare client that
//! has the same documents, with the same versions, ready in memory as bulk requests of the same size.

mod bare;
mod documents;
mod index;
mod rounds;

pub(crate) use rounds::{Settings, run};
