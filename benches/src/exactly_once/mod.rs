//! The exactly-once copy with dedupe and a counter table, against others that do the same: every arm copies a topic without
//! its duplicates, counts by key, and keeps the counts in a changelog, all in transactions. Rounds are interleaved; in each
//! an arm works off a backlog for a while, and then keeps up with a load while a reader of what is committed notes how late
//! copies come. What each has written is compared with what it must have written.

mod arm;
mod backlog;
mod bare;
mod bare_client;
mod judge;
mod offsets;
mod paced;
mod process;
mod records;
mod rounds;
mod scene;

pub(crate) use arm::{Job, StreamsJob, become_copy, become_streams};
pub(crate) use bare::run as run_bare;
pub(crate) use rounds::{Settings, run};
