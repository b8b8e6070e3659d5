//! The workloads that need the order of every key: `counting`, which parses and counts, and `waiting`, in which each
//! record takes a millisecond outside. Each arm is a program of its own that is told and reports the same; rounds are
//! interleaved.

mod arm;
mod bare;
mod child;
mod rounds;
mod topic;

pub(crate) use arm::{Job, Workload, become_flow, run_bare};
pub(crate) use rounds::{Settings, run};
