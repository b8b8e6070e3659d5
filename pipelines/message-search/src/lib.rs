//! Message search: message events from Kafka become documents that can be searched.

pub mod event;
mod index_messages;
mod nesting;

pub use index_messages::IndexMessages;
