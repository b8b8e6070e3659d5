//! Elasticsearch: documents written with versions from the log, so that the index ends as a sequential reader of the
//! topic would leave it, whatever was replayed on the way (design D9).
//!
//! The pure half, always compiled: [`Document`] is what operators ask for, [`DocumentSink`] turns flights of them into
//! requests and judges the answers item by item, [`setup`] says what the index must look like, [`purge`] what may go.
//! The I/O half (feature `elasticsearch`) is [`ElasticsearchClient`].

mod answer;
mod bases;
mod bulk;
#[cfg(feature = "elasticsearch")]
mod client;
mod document;
mod entries;
mod json;
mod judge;
mod lane;
mod merge;
mod operation;
#[cfg(feature = "elasticsearch")]
mod prepare;
pub mod purge;
mod rules;
pub mod search;
pub mod settings;
pub mod setup;
mod sink;
mod version;

#[cfg(feature = "elasticsearch")]
pub use client::ElasticsearchClient;
pub use document::{Document, DocumentId, Field, ID_BYTES_MAX};
pub use operation::{Method, Operation, Target};
#[cfg(feature = "elasticsearch")]
pub use prepare::PrepareError;
pub use rules::{Kept, Rule, Rules};
pub use sink::{DocumentOptions, DocumentSink};
pub use version::Generation;
