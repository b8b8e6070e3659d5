//! A ticket, and what becomes of it.

use serde::{Deserialize, Serialize};
use thalweg::commands::Problem;
use thalweg::state::Row;

use super::Command;
use crate::answer::Answer;
use crate::events::{Event, Newest, TicketEvent};

/// What the service knows of a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Who sells it.
    pub user_id: String,
    /// What it is for.
    pub title: String,
    /// What it costs.
    pub price: u64,
    /// Counts its events.
    pub version: u64,
    /// The order that has it.
    pub order: Option<String>,
    /// The newest event of its orders.
    pub newest: Newest,
}

impl Row for Ticket {}

/// A ticket as users see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketView<'t> {
    id: &'t str,
    user_id: &'t str,
    title: &'t str,
    price: u64,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<&'t str>,
}

impl Ticket {
    /// As users see it.
    #[must_use]
    pub fn view<'t>(&'t self, id: &'t str) -> TicketView<'t> {
        let Self { user_id, title, price, version, order, .. } = self;
        TicketView { id, user_id, title, price: *price, version: *version, order_id: order.as_deref() }
    }

    fn event(&self, id: &str) -> TicketEvent {
        TicketEvent {
            id: id.to_owned(),
            user_id: self.user_id.clone(),
            ticket_id: id.to_owned(),
            version: self.version,
            title: self.title.clone(),
            price: self.price,
            order_id: self.order.clone(),
        }
    }
}

/// What a command makes of the ticket of that id.
pub fn command(ticket: &mut Option<Ticket>, command: &Command) -> (Option<Event>, Answer) {
    let decided = match command {
        Command::CreateTicket { ticket_id, user_id, title, price } => {
            create(ticket, ticket_id, user_id, title, *price)
        }
        Command::EditTicket { ticket_id, user_id, title, price } => {
            edit(ticket, ticket_id, user_id, title, *price)
        }
    };
    decided.unwrap_or_else(|problem| (None, problem.into()))
}

type Decided = Result<(Option<Event>, Answer), Problem>;

fn create(ticket: &mut Option<Ticket>, id: &str, user_id: &str, title: &str, price: u64) -> Decided {
    if let Some(ticket) = ticket {
        // Ids are made of the user and what he calls the command: it is the same command again.
        return if ticket.user_id == user_id {
            Ok((None, Answer::created(&ticket.view(id))))
        } else {
            Err(Problem::new(409, "ticket-exists", format!("there is a ticket {id} of another user")))
        };
    }
    let made = ticket.insert(Ticket {
        user_id: user_id.to_owned(),
        title: title.to_owned(),
        price,
        version: 1,
        order: None,
        newest: Newest::default(),
    });
    Ok((Some(Event::TicketCreated(made.event(id))), Answer::created(&made.view(id))))
}

fn edit(ticket: &mut Option<Ticket>, id: &str, user_id: &str, title: &str, price: u64) -> Decided {
    let unknown = || Problem::new(404, "ticket-unknown", format!("there is no ticket {id}"));
    let ticket = ticket.as_mut().ok_or_else(unknown)?;
    if ticket.user_id != user_id {
        let detail = format!("the ticket {id} is another user's");
        return Err(Problem::new(403, "ticket-foreign", detail));
    }
    if let Some(order) = &ticket.order {
        let detail =
            format!("the ticket {id} is reserved by the order {order}: it can be edited once that ends");
        return Err(Problem::new(409, "ticket-reserved", detail));
    }
    title.clone_into(&mut ticket.title);
    ticket.price = price;
    ticket.version += 1;
    Ok((Some(Event::TicketUpdated(ticket.event(id))), Answer::changed(&ticket.view(id))))
}

/// What an event of an order makes of the ticket: reserved, released, or nothing that is new.
pub fn order_event(ticket: &mut Option<Ticket>, event: &Event) -> Option<Event> {
    let ticket = ticket.as_mut()?;
    let (Event::OrderCreated(order) | Event::OrderCancelled(order) | Event::OrderFailed(order)) = event
    else {
        return None;
    };
    if !ticket.newest.advance(order) {
        return None;
    }
    // The newest order knows best: those before it have ended, whether or not that has come here.
    let reserved = matches!(event, Event::OrderCreated(_)).then(|| order.id.clone());
    if ticket.order == reserved {
        return None;
    }
    ticket.order = reserved;
    ticket.version += 1;
    Some(Event::TicketUpdated(ticket.event(&order.ticket_id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::OrderEvent;

    fn create(id: &str, user: &str) -> Command {
        let (ticket_id, user_id) = (id.to_owned(), user.to_owned());
        Command::CreateTicket { ticket_id, user_id, title: "opera".to_owned(), price: 10 }
    }

    fn edit(user: &str) -> Command {
        let (ticket_id, user_id) = ("t1".to_owned(), user.to_owned());
        Command::EditTicket { ticket_id, user_id, title: "ballet".to_owned(), price: 20 }
    }

    fn order(number: u64, version: u64) -> OrderEvent {
        OrderEvent {
            id: format!("t1.o{number}"),
            user_id: "u2".to_owned(),
            ticket_id: "t1".to_owned(),
            version,
            number,
            price: 10,
            expires_at: 0,
            payment_id: None,
            reason: None,
        }
    }

    fn created() -> Option<Ticket> {
        let mut ticket = None;
        command(&mut ticket, &create("t1", "u1"));
        ticket
    }

    #[test]
    fn commands_are_taken_and_refused() {
        let reserved = || {
            let mut ticket = created();
            order_event(&mut ticket, &Event::OrderCreated(order(1, 1)));
            ticket
        };
        let cases = [
            (None, create("t1", "u1"), 201, true),
            (created(), create("t1", "u1"), 201, false),
            (created(), create("t1", "u2"), 409, false),
            (None, edit("u1"), 404, false),
            (created(), edit("u2"), 403, false),
            (created(), edit("u1"), 200, true),
            (reserved(), edit("u1"), 409, false),
        ];
        for (mut ticket, wanted, status, announced) in cases {
            let before = ticket.clone();
            let (event, answer) = command(&mut ticket, &wanted);
            assert_eq!((answer.status, event.is_some()), (status, announced), "{wanted:?}");
            assert_eq!(ticket != before, announced, "{wanted:?}");
        }
    }

    #[test]
    fn an_edit_is_announced_with_the_next_version() {
        let mut ticket = created();
        let (event, answer) = command(&mut ticket, &edit("u1"));
        let Some(Event::TicketUpdated(event)) = event else { unreachable!("it was accepted") };
        assert_eq!((event.version, event.title.as_str(), event.price), (2, "ballet", 20));
        assert_eq!((&answer.body["version"], &answer.body["title"]), (&2.into(), &"ballet".into()));
    }

    /// Plays events of orders (name, number, version) and answers which order the ticket has after each, and its version.
    fn play(events: &[(&str, u64, u64)]) -> Vec<(Option<String>, u64)> {
        let mut ticket = created();
        let mut after = Vec::new();
        for (name, number, version) in events {
            let order = order(*number, *version);
            let event = match *name {
                "created" => Event::OrderCreated(order),
                "pending" => Event::OrderPending(order),
                "failed" => Event::OrderFailed(order),
                _ => Event::OrderCancelled(order),
            };
            let before = ticket.clone().unwrap().version;
            let announced = order_event(&mut ticket, &event);
            let ticket = ticket.as_ref().unwrap();
            assert_eq!(ticket.version > before, announced.is_some(), "what changes is announced");
            after.push((
                ticket.order.as_ref().map(|id| id.trim_start_matches("t1.").to_owned()),
                ticket.version,
            ));
        }
        after
    }

    #[test]
    fn orders_reserve_and_release_whatever_comes_late_or_twice() {
        let is = |order: &str, version| ((!order.is_empty()).then(|| order.to_owned()), version);
        let (created, cancelled, failed) = ("created", "cancelled", "failed");
        assert_eq!(play(&[(created, 1, 1), (cancelled, 1, 2)]), [is("o1", 2), is("", 3)]);
        assert_eq!(play(&[(created, 1, 1), (failed, 1, 3)]), [is("o1", 2), is("", 3)]);
        // Twice.
        assert_eq!(play(&[(created, 1, 1), (created, 1, 1)]), [is("o1", 2), is("o1", 2)]);
        assert_eq!(play(&[(created, 1, 1), (cancelled, 1, 2), (created, 1, 1)])[2], is("", 3));
        // The end comes before the beginning.
        assert_eq!(play(&[(cancelled, 1, 2), (created, 1, 1)]), [is("", 1), is("", 1)]);
        // The next order begins before the end of the one before has come.
        assert_eq!(
            play(&[(created, 1, 1), (created, 2, 1), (cancelled, 1, 2)])[1..],
            [is("o2", 3), is("o2", 3)]
        );
        assert_eq!(
            play(&[(created, 1, 1), (cancelled, 2, 2), (cancelled, 1, 2)])[1..],
            [is("", 3), is("", 3)]
        );
        // Not our business.
        assert_eq!(
            play(&[(created, 1, 1), ("pending", 1, 2), (failed, 1, 3)])[1..],
            [is("o1", 2), is("", 3)]
        );
        // Of a ticket that is not there.
        assert_eq!(order_event(&mut None, &Event::OrderCreated(order(1, 1))), None);
    }
}
