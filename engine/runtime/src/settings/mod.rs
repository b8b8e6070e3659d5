//! Settings: one typed value from four layers.
//!
//! A pipeline's settings are a serde struct with a default for everything. Over the defaults lie, each winning over the
//! one before: a TOML file, environment variables, flags. What can't be is an error that names the key, the value,
//! where it came from and what is allowed, before anything connects.

mod engine;
mod error;
mod flow;
mod layers;
mod print;
mod reader;
mod transactions;
mod tree;

pub use engine::{EngineSettings, LogFormat};
pub use error::{Origin, SettingError};
pub use flow::FlowSettings;
pub use layers::{Layers, Variable};
pub use print::print;
pub use transactions::{StateSettings, TransactionSettings};
