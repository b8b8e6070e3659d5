//! Commands: an HTTP request becomes a record on the topic that a flow reads, and is answered by the run that processes
//! it.
//!
//! ```text
//! client -> route: checked, key and value chosen -> the flow's topic -> the operator's run
//! client <- the instance that waits              <- the topic of replies <- Replies::answer, in the run's transaction
//! ```
//!
//! Both halves of a flow's commands are said where the flow is said: [`Commands`] are the routes, and the operator of
//! the flow recognizes a [`Command`] in a record and answers it with [`Replies`]. A run's state, its outputs and its
//! reply are one transaction: what was answered is committed.
//!
//! **No answer** within the deadline is 504: the command was applied, or will be, or never will. Whoever sends it again
//! with the same `Idempotency-Key` gets the reply that there was, and it is applied once. A client that sends none is
//! told in the 504 that it can't repeat safely.
//!
//! **What an idempotency key covers:** one user's commands for one key of the log, for as long as
//! [`CommandSettings::remember_ms`] says. State moves with its key's partition, so a repeat for another key of the log is
//! another command. Ids of new things come from [`Request::new_id`], which gives a repeat the same one.

mod command;
mod counts;
mod envelope;
mod fingerprint;
mod gateway;
mod handling;
mod inbox;
mod problem;
mod replies;
mod reply_reader;
mod request;
mod routes;
mod serving;
mod settings;
mod showing;
mod token;
mod waiting;

pub use command::Command;
pub use problem::{Answer, Problem};
pub use replies::Replies;
pub use request::{NewCommand, Request};
pub use routes::Commands;
pub use settings::CommandSettings;
pub use token::{TokenError, TokenKey};

pub(crate) use counts::{CLASSES, CommandCounts, Counted};
pub(crate) use gateway::{Gateway, prepare};
