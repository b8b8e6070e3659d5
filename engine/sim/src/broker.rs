//! The simulated broker: a partitioned log, and the group that reads it.

pub(crate) mod group;
pub(crate) mod log;
pub(crate) mod offsets;
