//! The newest thing that was heard of a ticket's orders.

use serde::{Deserialize, Serialize};

use super::OrderEvent;

/// Which event of a ticket's orders is the newest: by the order's number, then by its version. A ticket's orders come one
/// after the other, so this is all that must be kept of them to know an event that comes late or twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Newest {
    number: u64,
    version: u64,
}

impl thalweg::state::Row for Newest {}

impl Newest {
    /// Whether the event is newer than every one before; then it is the newest.
    pub fn advance(&mut self, event: &OrderEvent) -> bool {
        let this = Self { number: event.number, version: event.version };
        let newer = this > *self;
        *self = this.max(*self);
        newer
    }
}
