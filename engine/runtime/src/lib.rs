//! Thalweg: flows from a log to the outside world, in the order of every key.
//!
//! A pipeline binary is a settings struct, a function from settings to a [`flow::Flow`] (or to several), and a [`Program`]
//! that runs it. Operators see one [`Record`] at a time and say what becomes of it.
#![forbid(unsafe_code)]

mod admin;
mod call_sink;
mod clock;
mod command_line;
pub mod commands;
mod cpu_meter;
pub mod demo;
mod document_search;
mod documents;
mod drive;
mod ending;
mod exit;
pub mod flow;
mod job;
mod letters;
mod log_ends;
mod logs;
mod memory;
pub mod metrics;
mod page;
mod program;
mod progress;
mod raise_generation;
mod records;
mod report;
pub mod settings;
mod snapshot;
mod startup;
pub mod state;
mod supervise;
mod terminal;
mod topic_watch;
mod totals;
pub mod trial;
mod tryout;
pub mod views;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

pub use exit::ExitError;
pub use program::{Program, Settings};
pub use thalweg_core::exactly_once::{DueNow, Run, StatefulOperator};
pub use thalweg_core::failure::Reason;
pub use thalweg_core::operator::{Operator, Output, Step, Then};
pub use thalweg_core::record::Record;
pub use thalweg_core::sink::SinkHandle;

/// Kafka: its settings, and for tools beside the flows: topics, stretches of them, transactions.
pub mod kafka {
    pub use crate::records::Records;
    pub use thalweg_connectors::kafka::answer::ItemAnswer;
    pub use thalweg_connectors::kafka::produce::Produce;
    pub use thalweg_connectors::kafka::secret::Secret;
    pub use thalweg_connectors::kafka::settings::{
        GroupSettings, KafkaSettings, SaslMechanism, SaslSettings, TlsSettings,
    };
    pub use thalweg_connectors::kafka::sink::KafkaSink;
    pub use thalweg_connectors::kafka::span::{LoggedRecord, Polled, Span, SpanReader};
    pub use thalweg_connectors::kafka::topics::{TopicDescription, TopicError, Topics};
    pub use thalweg_connectors::kafka::transactions::{Position, TransactionError, Transactions, Written};
    pub use thalweg_core::commit_metadata;
    pub use thalweg_core::headers::{Headers, encode_headers};
}

/// What dead letters say of themselves in their headers.
pub mod dead_letters {
    pub use thalweg_connectors::kafka::dead_letter::{HEADER_NAMES, LEFT_OUT_NAMES};
    pub use thalweg_core::dead_letter::REPLAY_COUNT;
}

/// Calls to other systems over HTTP, and the records that follow from their answers.
pub mod calls {
    pub use crate::call_sink::{Calls, FollowUps};
    pub use thalweg_connectors::http::settings::HttpSettings;
    pub use thalweg_connectors::http::{Call, Conclusion, Conflict, Ended, HttpAnswer, HttpSink, Method};
}

/// Documents in Elasticsearch.
pub mod elasticsearch {
    pub use crate::documents::Documents;
    pub use thalweg_connectors::elasticsearch::settings::ElasticsearchSettings;
    pub use thalweg_connectors::elasticsearch::{Document, DocumentId, DocumentSink, Field};
}
