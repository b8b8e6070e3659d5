//! The service expiration: says when an order's time is over.

use serde::{Deserialize, Serialize};
use thalweg::flow::OutputTopic;
use thalweg::state::{Table, Timers};
use thalweg::{DueNow, Record, Run, StatefulOperator, Step};

use crate::events::{Event, ExpirationEvent, Newest, OrderEvent, Unreadable, read};
use crate::publish;

/// By the ticket's id: what tells an event that comes late or twice, also once the order's timer is gone.
const NEWEST: Table<str, Newest> = Table::new(1);

/// Of the ticket's key.
const TIMERS: Timers<Due> = Timers::new();

/// An order's time is over. The deadline is when it expires.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Due {
    order_id: String,
    user_id: String,
}

impl Due {
    fn of(order: &OrderEvent) -> Self {
        Self { order_id: order.id.clone(), user_id: order.user_id.clone() }
    }
}

/// See the module's text. Publishes that an order has expired when its time is over, once; unless its payment has begun by
/// then, or it has ended.
#[derive(Debug)]
pub struct Expiration {
    /// What it publishes.
    pub events: OutputTopic,
}

impl Expiration {
    fn created(run: &mut Run<'_>, order: &OrderEvent) -> Step {
        let mut newest = NEWEST.get(run, &order.ticket_id).unwrap_or_default();
        if !newest.advance(order) {
            return Step::Filtered("came late or twice");
        }
        NEWEST.put(run, &order.ticket_id, &newest);
        TIMERS.set(run, &Due::of(order), order.expires_at);
        Step::Done
    }

    fn ended(run: &mut Run<'_>, order: &OrderEvent) -> Step {
        let mut newest = NEWEST.get(run, &order.ticket_id).unwrap_or_default();
        if newest.advance(order) {
            NEWEST.put(run, &order.ticket_id, &newest);
        }
        // Also when the ticket's next order was heard of before.
        TIMERS.cancel(run, &Due::of(order));
        Step::Done
    }
}

impl StatefulOperator for Expiration {
    fn process(&mut self, record: &Record<'_>, run: &mut Run<'_>) -> Step {
        match read(record.key, record.value) {
            Ok(Event::OrderCreated(order)) => Self::created(run, &order),
            Ok(Event::OrderPending(order) | Event::OrderCancelled(order) | Event::OrderFailed(order)) => {
                Self::ended(run, &order)
            }
            Ok(_) => Step::Filtered("does not concern expiration"),
            Err(Unreadable::Unknown) => Step::Filtered("unknown type"),
            Err(Unreadable::Rejected(reason)) => Step::Rejected(reason),
        }
    }

    fn due(&mut self, timer: DueNow<'_>, run: &mut Run<'_>) {
        let Some(Due { order_id, user_id }) = TIMERS.due(run, timer) else { return };
        let ticket_id = crate::ids::ticket_of(&order_id).to_owned();
        let expired = ExpirationEvent {
            id: order_id.clone(),
            user_id,
            ticket_id,
            order_id,
            version: 1,
            expires_at: timer.deadline_ms,
        };
        publish::event(&self.events, run, &Event::ExpirationExpired(expired));
    }
}
