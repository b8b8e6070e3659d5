//! The simulated broker: a partitioned log, the group that reads it, and transactions.

pub(crate) mod cluster;
pub(crate) mod group;
pub(crate) mod group_offsets;
pub(crate) mod log;
pub(crate) mod offsets;
pub(crate) mod transactional_log;
pub(crate) mod transactions;
