//! The exactly-once flow that is simulated: it counts records by key, and sets timers that count too.
//!
//! A record's value is a line of words: `add`, `set ID DEADLINE`, `cancel ID`, `reset`, `large`, `ignore`, or anything
//! else, which is no command. `reset` deletes the key's counter, so that it begins again; `large` writes a row that does not
//! fit. Timers whose id is `again` and a number set the next lower one when they fire.
//!
//! [`operator`] is what would run in production; [`traffic`] and [`reader`] are the world around it.

pub(crate) mod operator;
pub(crate) mod reader;
pub(crate) mod traffic;

/// The header that names the event.
pub(crate) const EVENT_ID: &str = "message-id";

/// The topic that the flow writes what it has counted to.
pub(crate) const COUNTS: &str = "counts";

/// A timer that sets the next one: its id before the number.
pub(crate) const AGAIN: &str = "again";

/// From a timer that sets the next one to that one.
pub(crate) const AGAIN_AFTER_MS: i64 = 700;
