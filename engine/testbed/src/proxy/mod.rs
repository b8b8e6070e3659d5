//! Fault proxies: they stand before a server and make it look slow, cut off, overloaded or broken.
//!
//! Both run on a thread of their own: start one in any test, sync or async; it ends when dropped.

mod gate;
mod http;
mod rule;
mod splice;
mod tcp;

pub use http::{Exchange, HttpProxy};
pub use rule::{Rule, RuleHandle};
pub use tcp::{TcpProxy, Traffic};
