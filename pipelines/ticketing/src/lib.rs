//! Tickets that are sold once: the services tickets, orders, payments and expiration, which know each other by topics only.
//!
//! Everything about a ticket (commands, events, its orders and their payments) is keyed by the ticket's id, so it is in one
//! order, and one writer owns it. Each service is one exactly-once flow ([`flows`]) with one operator: [`tickets`],
//! [`orders`], [`payments`], [`expiration`]. What the services read of each other comes to their inboxes by [`bridge`]s.
//! Whoever charges people is asked by a flow of its own ([`charges`]). [`programs`] says which flows run together, and
//! [`demo`] who uses them where nothing is installed.
//!
//! A service decides in a pure function: from what it knows and a command, or an event, to what it will know, the events
//! that it publishes and the answer. Its operator only reads and writes.

pub mod answer;
pub mod bridge;
pub mod charges;
pub mod demo;
pub mod events;
pub mod expiration;
pub mod flows;
pub mod ids;
pub mod inbox;
pub mod orders;
pub mod payments;
pub mod programs;
mod publish;
mod requests;
pub mod settings;
pub mod tickets;
