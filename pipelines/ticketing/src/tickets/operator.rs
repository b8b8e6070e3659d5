//! The operator of tickets.

use thalweg::commands::Replies;
use thalweg::flow::OutputTopic;
use thalweg::state::Table;
use thalweg::{DueNow, Record, Run, StatefulOperator, Step};

use super::{Command, Ticket, command, order_event};
use crate::answer::{self, Answer};
use crate::events::{Event, Unreadable};
use crate::inbox::{self, Message};
use crate::publish;

const TICKETS: Table<str, Ticket> = Table::new(1);

/// See the module's text.
#[derive(Debug)]
pub struct Tickets {
    /// What it publishes.
    pub events: OutputTopic,
    /// Each ticket as it is, for who looks.
    pub view: OutputTopic,
    /// How commands are answered.
    pub replies: Replies,
}

impl Tickets {
    fn command(&self, run: &mut Run<'_>, wanted: &Command) -> Answer {
        self.change(run, wanted.ticket_id(), |ticket| command(ticket, wanted))
    }

    fn event(&self, run: &mut Run<'_>, event: &Event) {
        self.change(run, event.ticket_id(), |ticket| (order_event(ticket, event), ()));
    }

    /// Lets `decide` change the ticket, and says what it announces.
    fn change<A>(
        &self,
        run: &mut Run<'_>,
        id: &str,
        decide: impl FnOnce(&mut Option<Ticket>) -> (Option<Event>, A),
    ) -> A {
        let mut ticket = TICKETS.get(run, id);
        let before = ticket.clone();
        let (event, answer) = decide(&mut ticket);
        if let Some(ticket) = ticket.filter(|ticket| before.as_ref() != Some(ticket)) {
            TICKETS.put(run, id, &ticket);
        }
        if let Some(event) = event {
            publish::event(&self.events, run, &event);
            if let Some(ticket) = TICKETS.get(run, id) {
                publish::message(&self.view, run, id, &ticket.view(id));
            }
        }
        answer
    }
}

impl StatefulOperator for Tickets {
    fn process(&mut self, record: &Record<'_>, run: &mut Run<'_>) -> Step {
        match inbox::read(record.key, record.value) {
            Ok(Message::Command(wanted)) => {
                answer::once(&self.replies, run, record, |run| self.command(run, &wanted))
            }
            Ok(Message::Event(event)) => {
                self.event(run, &event);
                Step::Done
            }
            Ok(Message::Outcome(_)) => Step::Filtered("does not concern tickets"),
            Err(Unreadable::Unknown) => Step::Filtered("unknown type"),
            Err(Unreadable::Rejected(reason)) => Step::Rejected(reason),
        }
    }

    fn due(&mut self, timer: DueNow<'_>, run: &mut Run<'_>) {
        let was_ours = self.replies.forget(run, timer);
        debug_assert!(was_ours, "tickets sets no timer of its own");
    }
}
