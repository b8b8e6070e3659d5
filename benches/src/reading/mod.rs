//! What reading costs: the same topic read by the engine's source, tracker and an operator, and by two bare loops
//! over the client alone. Every arm touches every byte and is a process of its own; rounds are interleaved.

mod arm;
mod bare_batch;
mod bare_poll;
mod records;
mod rounds;
mod through_thalweg;
mod topic;
mod touched;

pub(crate) use arm::{ArmSettings, run_arm};
pub(crate) use bare_poll::whole_topic;
pub(crate) use rounds::{Settings, run};
