//! Message search: message events from Kafka become documents that can be searched.

mod demo;
mod escapes;
pub mod event;
mod flow;
mod index_messages;
mod nesting;
mod plain;
mod settings;

pub use demo::TRYOUT;
pub use flow::flow;
pub use index_messages::IndexMessages;
pub use settings::{DeadLetterSettings, DedupeSettings, Settings, SourceSettings, VARIABLES};
