//! The binary as a user starts it, against the real Kafka and Elasticsearch.

mod histories;
mod index;
mod indexer;
mod refusals;
mod scene;
mod settings_file;
mod stops;
mod topic;
mod topic_changes;
