//! Simulated servers and faults around the same core and the same pure halves of connectors that run in production.
//!
//! [`run()`] takes a [`Flow`] through the history of one seed: a broker with its group, processes that crash, freeze,
//! stop and come back, a network that loses and delays, outside systems that refuse, all on simulated time. The seed
//! decides every interleaving, so a failing seed fails again. [`checks::INVARIANTS`] says what is checked;
//! [`message_flow`] is a flow to learn from, [`call_flow`] one whose effects lead to others. [`transactional`] does the same with an exactly-once flow, on a broker with
//! transactions.

mod broker;
pub mod call_flow;
pub mod campaign;
pub mod checks;
mod counter_flow;
mod credulous;
pub mod flow;
mod life;
pub mod message_flow;
mod plan;
mod queue;
mod run;
pub mod sabotage;
mod tally;
mod trace;
pub mod transactional;
pub mod twins;
mod weather;
mod world;

pub use broker::log::{LogRecord, NewRecord, PartitionLog};
pub use flow::Flow;
pub use run::{Options, Run, run};
pub use tally::{Count, Tally};
pub use trace::Watch;
pub use weather::{Outage, Trouble, Weather};
