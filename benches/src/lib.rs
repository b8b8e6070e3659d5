//! What several programs of the benchmarks share: the records of keyed topics and of timers, and the tally that every arm
//! keeps.

pub mod cpu;
pub mod sequenced;
pub mod tally;
pub mod timed;
