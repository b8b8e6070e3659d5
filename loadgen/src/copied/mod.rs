//! Load for the exactly-once copy, and the proof of what came of it: records with duplicates among them, and a reader of
//! what is committed that judges each copy and each count as it comes.

pub mod follower;
pub mod judge;
pub mod offsets;
pub mod records;
pub mod run;
pub mod settings;
