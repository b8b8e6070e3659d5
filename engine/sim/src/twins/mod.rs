//! Twins: servers in memory that read the connectors' real request bytes and answer with real response bytes. One
//! contract suite per connector runs against the real server and its twin.

pub mod dead_letter_topic;
pub mod elasticsearch;
