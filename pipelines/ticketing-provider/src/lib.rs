//! A stand-in for the provider that charges people: over HTTP, with a ledger that says what it really did.
//!
//! It has bad days ([`Conduct`]): slow, failing, or losing its answer after it has charged. Unless it is told to, it does
//! not tell a request that comes again from a new one, so that whoever asks twice charges twice, and the ledger shows it.

mod conduct;
mod ledger;
mod server;

pub use conduct::{Conduct, Fate};
pub use ledger::{Asked, Done, Entry, Kind, Ledger, LedgerError};
pub use server::serve;
