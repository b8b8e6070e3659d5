//! The operator of payments.

use thalweg::commands::Replies;
use thalweg::flow::OutputTopic;
use thalweg::state::Table;
use thalweg::{DueNow, Record, Run, StatefulOperator, Step};

use super::{Case, Command, Decision, KnownOrder};
use crate::answer::{self, Answer};
use crate::events::Unreadable;
use crate::ids;
use crate::inbox::{self, Message};
use crate::publish;

/// By the order's id.
const ORDERS: Table<str, KnownOrder> = Table::new(1);

/// See the module's text.
#[derive(Debug)]
pub struct Payments {
    /// What it publishes.
    pub events: OutputTopic,
    /// What the provider is asked for.
    pub charges: OutputTopic,
    /// How commands are answered.
    pub replies: Replies,
}

impl Payments {
    /// Lets `decide` change what is known of an order, and says what was decided.
    fn change<A>(
        &self,
        run: &mut Run<'_>,
        order_id: &str,
        decide: impl FnOnce(&mut Case) -> (Decision, A),
    ) -> A {
        let mut case = Case { order_id: order_id.to_owned(), order: ORDERS.get(run, order_id) };
        let before = case.clone();
        let (Decision { event, request }, answer) = decide(&mut case);
        if let Some(order) = case.order.as_ref().filter(|_| case.order != before.order) {
            ORDERS.put(run, order_id, order);
        }
        if let Some(event) = event {
            publish::event(&self.events, run, &event);
        }
        if let Some(request) = request {
            publish::message(&self.charges, run, ids::ticket_of(order_id), &request);
        }
        answer
    }

    fn command(&self, run: &mut Run<'_>, record: &Record<'_>, wanted: &Command) -> Answer {
        // A log without timestamps leaves it to our clock.
        let at_ms = if record.timestamp_ms < 0 { run.now_ms() } else { record.timestamp_ms };
        let order_id = ids::order_of(wanted.payment_id());
        self.change(run, order_id, |case| case.command(wanted, at_ms))
    }
}

impl StatefulOperator for Payments {
    fn process(&mut self, record: &Record<'_>, run: &mut Run<'_>) -> Step {
        match inbox::read(record.key, record.value) {
            Ok(Message::Command(wanted)) => {
                answer::once(&self.replies, run, record, |run| self.command(run, record, &wanted))
            }
            Ok(Message::Event(event)) => {
                let Some(order_id) = event.order_id() else {
                    return Step::Filtered("does not concern payments");
                };
                self.change(run, order_id, |case| (case.event_of_order(&event), ()));
                Step::Done
            }
            Ok(Message::Outcome(outcome)) => {
                let (order_id, _) = outcome.about();
                self.change(run, order_id, |case| (case.outcome(&outcome), ()));
                Step::Done
            }
            Err(Unreadable::Unknown) => Step::Filtered("unknown type"),
            Err(Unreadable::Rejected(reason)) => Step::Rejected(reason),
        }
    }

    fn due(&mut self, timer: DueNow<'_>, run: &mut Run<'_>) {
        let was_ours = self.replies.forget(run, timer);
        debug_assert!(was_ours, "payments sets no timer of its own");
    }
}
