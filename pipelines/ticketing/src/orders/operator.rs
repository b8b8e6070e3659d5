//! The operator of orders.

use thalweg::commands::Replies;
use thalweg::flow::OutputTopic;
use thalweg::state::Table;
use thalweg::{DueNow, Record, Run, StatefulOperator, Step};

use super::{Case, Order, Seat};
use crate::answer::{self, Answer};
use crate::events::{Event, Unreadable};
use crate::inbox::{self, Message};
use crate::publish;
use crate::{ids, orders};

/// By the ticket's id.
const SEATS: Table<str, Seat> = Table::new(1);
/// By the order's id.
const ORDERS: Table<str, Order> = Table::new(2);

/// See the module's text.
#[derive(Debug)]
pub struct Orders {
    /// What it publishes.
    pub events: OutputTopic,
    /// Each order as it is, for who looks.
    pub view: OutputTopic,
    /// How commands are answered.
    pub replies: Replies,
    /// How long an order waits for its payment.
    pub expires_after_ms: u64,
}

impl Orders {
    /// Lets `decide` change a case, and says what it publishes.
    fn change<A>(
        &self,
        run: &mut Run<'_>,
        [ticket_id, order_id]: [&str; 2],
        decide: impl FnOnce(&mut Case) -> (Option<Event>, A),
    ) -> A {
        let mut case = Case {
            ticket_id: ticket_id.to_owned(),
            order_id: order_id.to_owned(),
            seat: SEATS.get(run, ticket_id),
            order: if order_id.is_empty() { None } else { ORDERS.get(run, order_id) },
        };
        let before = case.clone();
        let (event, answer) = decide(&mut case);
        if let Some(seat) = case.seat.as_ref().filter(|_| case.seat != before.seat) {
            SEATS.put(run, ticket_id, seat);
        }
        if let Some(event) = event {
            publish::event(&self.events, run, &event);
        }
        if let Some(order) = case.order.as_ref().filter(|_| case.order != before.order) {
            ORDERS.put(run, order_id, order);
            publish::message(&self.view, run, order_id, &order.view(order_id, ticket_id));
        }
        answer
    }

    fn command(&self, run: &mut Run<'_>, record: &Record<'_>, wanted: &orders::Command) -> Answer {
        // A log without timestamps leaves it to our clock.
        let at_ms = if record.timestamp_ms < 0 { run.now_ms() } else { record.timestamp_ms };
        let order_id = wanted.order_id();
        self.change(run, [ids::ticket_of(order_id), order_id], |case| {
            case.command(wanted, at_ms, self.expires_after_ms)
        })
    }
}

impl StatefulOperator for Orders {
    fn process(&mut self, record: &Record<'_>, run: &mut Run<'_>) -> Step {
        match inbox::read(record.key, record.value) {
            Ok(Message::Command(wanted)) => {
                answer::once(&self.replies, run, record, |run| self.command(run, record, &wanted))
            }
            Ok(Message::Event(event)) => {
                let ids = [event.ticket_id(), event.order_id().unwrap_or_default()];
                self.change(run, ids, |case| (case.event(&event), ()));
                Step::Done
            }
            Ok(Message::Outcome(_)) => Step::Filtered("does not concern orders"),
            Err(Unreadable::Unknown) => Step::Filtered("unknown type"),
            Err(Unreadable::Rejected(reason)) => Step::Rejected(reason),
        }
    }

    fn due(&mut self, timer: DueNow<'_>, run: &mut Run<'_>) {
        let was_ours = self.replies.forget(run, timer);
        debug_assert!(was_ours, "orders sets no timer of its own");
    }
}
