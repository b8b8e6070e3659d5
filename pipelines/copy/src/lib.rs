//! Exactly-once copy: every record of a topic once, without its duplicates, and how many each key has had.
//!
//! The smallest exactly-once flow there is, for trying out, for measuring, and as a pattern; `copy-and-audit` is the pattern
//! of a program with several flows.

mod audit;
mod copy_and_count;
mod flow;
mod settings;

pub use audit::{AuditSettings, AuditedSettings, copy_and_audit};
pub use copy_and_count::{COUNTS, CopyAndCount};
pub use flow::flow;
pub use settings::{Settings, TopicSettings, VARIABLES};
