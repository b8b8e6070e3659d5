//! Tables and timers of an exactly-once flow, with types.
//!
//! Rows and ids of timers are written with [postcard](https://postcard.jamesmunns.com): compact, and its form is fixed. A
//! row has its version before it, so that a program can read what an earlier one wrote ([`Row`]). Keys and ids are told by
//! their bytes: their types must not change, except that an enum may get variants at its end.
//!
//! What can't be read ends the flow with an error that names it, for whoever runs the program: a run that went on as if
//! nothing were there would overwrite it.

mod encoding;
pub(crate) mod snapshot_folder;
mod table;
mod timers;

pub use encoding::decode;
pub use table::{Row, Table};
pub use timers::Timers;
