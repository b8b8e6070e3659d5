//! Real servers for tests, and ways to make them fail.
//!
//! - [`servers`]: where the shared Kafka and Elasticsearch are (never skips: no server, no green test).
//! - [`recipe`]: installs and starts servers; [`private`] ones belong to one test and go with it.
//!
//! The binary of this crate is `cargo testbed`; `cargo testbed --help` explains it.

pub mod error;
pub mod folder;
pub mod machine;
pub mod maven;
pub mod process;
pub mod recipe;
pub mod servers;

pub use error::TestbedError;
