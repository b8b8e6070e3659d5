//! Thalweg: flows from a log to the outside world, in the order of every key.
#![forbid(unsafe_code)]

pub mod settings;

pub use thalweg_core::failure::Reason;
pub use thalweg_core::operator::{Operator, Output, Step, Then};
pub use thalweg_core::record::Record;
pub use thalweg_core::sink::SinkHandle;

/// Documents in Elasticsearch.
pub mod elasticsearch {
    pub use thalweg_connectors::elasticsearch::{Document, DocumentId, DocumentSink, Field};
}
