//! All that a message to orders can concern.

use super::{Order, Seat, Status};
use crate::events::Event;

/// A ticket, and one of its orders.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Case {
    /// The ticket's id.
    pub ticket_id: String,
    /// The order's id; empty where the message names none.
    pub order_id: String,
    /// The ticket, if it is known.
    pub seat: Option<Seat>,
    /// The order, if there is one.
    pub order: Option<Order>,
}

impl Case {
    /// The order comes to that status, and its ticket is free again where it has ended without being paid. `None`: there
    /// is none, or it has ended before.
    pub(super) fn advance(&mut self, status: Status, reason: Option<String>) -> Option<Event> {
        let order = self.order.as_mut().filter(|order| !order.status.has_ended())?;
        order.status = status;
        order.version += 1;
        order.reason = reason;
        let event = order.event(&self.order_id, &self.ticket_id);
        if matches!(status, Status::Cancelled | Status::Failed)
            && let Some(seat) = &mut self.seat
            && seat.holder.as_ref() == Some(&self.order_id)
        {
            seat.holder = None;
        }
        match status {
            Status::Created => Some(Event::OrderCreated(event)),
            Status::Pending => Some(Event::OrderPending(event)),
            // It stands in the order; there is no event for it.
            Status::Complete => None,
            Status::Cancelled => Some(Event::OrderCancelled(event)),
            Status::Failed => Some(Event::OrderFailed(event)),
        }
    }
}
