//! Simulated servers and faults around the same core and the same pure halves of connectors that run in production.

pub mod twins;
