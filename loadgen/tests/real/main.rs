#![allow(clippy::unwrap_used, clippy::panic)]

//! Both binaries against the real Kafka and Elasticsearch (`cargo testbed` starts them).

mod index;
mod load;
mod tools;
mod verdict;
