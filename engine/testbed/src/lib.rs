//! Real servers for tests, and ways to make them fail.
//!
//! - [`servers`]: where the shared Kafka and Elasticsearch are (never skips: no server, no green test).
//! - [`recipe`]: installs and starts servers; [`private`] ones belong to one test and go with it.
//! - [`proxy`]: stands before a server and makes it fail in chosen ways.
//! - [`stand_in`]: takes what Elasticsearch would be told, at next to no cost, and records it.
//! - [`instance`]: a pipeline binary, started as a user starts it.
//!
//! The binary of this crate is `cargo testbed`; `cargo testbed --help` explains it.

mod answer;
mod background;
mod bulk_request;
pub mod error;
pub mod folder;
pub mod instance;
pub mod machine;
pub mod maven;
pub mod private;
pub mod process;
pub mod proxy;
pub mod recipe;
pub mod servers;
pub mod stand_in;
pub mod tls;

pub use error::TestbedError;
