//! HTTP calls: one request for each effect, with an idempotency key, so that a call that is made again is the same call
//! to the system behind it; and what is answered becomes an effect of another sink, a record as a rule (a follow-up,
//! design D4).
//!
//! The pure half, always compiled: [`Call`] is what operators ask for, [`HttpSink`] frames it and judges the answer, and
//! asks the flow what follows ([`Ended`], [`Conclusion`]). The I/O half (feature `http`) is [`HttpClient`].

mod answer;
mod call;
#[cfg(feature = "http")]
mod client;
mod judge;
mod lookup;
pub mod settings;
mod sink;

pub use answer::HttpAnswer;
pub use call::{Call, Method};
#[cfg(feature = "http")]
pub use client::HttpClient;
pub use judge::Conflict;
pub use sink::{Conclusion, Ended, HttpSink, LOOK_UP, Limits};
