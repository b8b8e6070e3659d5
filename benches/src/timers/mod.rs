//! Many pending timers of an exactly-once flow, on a real broker: what each takes, how fast they are set, cancelled and
//! fired, and how late they run. The flow is stopped while half of them become due, and must fire every one once, in the
//! order of deadlines, and none that was cancelled; what it fired is read from its output.

mod course;
mod flow;
mod follower;
mod judge;
mod plan;
mod report;

pub(crate) use report::{Settings, run};
