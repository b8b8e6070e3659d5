//! What commands make of orders.

use thalweg::commands::Problem;

use super::{Case, Command, Order, Status};
use crate::answer::Answer;
use crate::events::Event;

type Decided = Result<(Option<Event>, Answer), Problem>;

impl Case {
    /// Decides a command of that time, in ms since 1970. What is ordered expires so much later.
    pub fn command(
        &mut self,
        command: &Command,
        at_ms: i64,
        expires_after_ms: u64,
    ) -> (Option<Event>, Answer) {
        let decided = match command {
            Command::CreateOrder { user_id, .. } => {
                self.create(user_id, at_ms.saturating_add_unsigned(expires_after_ms))
            }
            Command::CancelOrder { user_id, .. } => self.cancel(user_id),
        };
        decided.unwrap_or_else(|problem| (None, problem.into()))
    }

    fn create(&mut self, user_id: &str, expires_at_ms: i64) -> Decided {
        let Self { ticket_id, order_id, seat, order } = self;
        if let Some(order) = order {
            // Ids are made of the user and what he calls the command: it is the same command again.
            return if order.user_id == user_id {
                Ok((None, Answer::created(&order.view(order_id, ticket_id))))
            } else {
                Err(Problem::new(
                    409,
                    "order-exists",
                    format!("there is an order {order_id} of another user"),
                ))
            };
        }
        let unknown = || Problem::new(404, "ticket-unknown", format!("there is no ticket {ticket_id}"));
        let seat = seat.as_mut().ok_or_else(unknown)?;
        if seat.seller == user_id {
            let detail = format!("the ticket {ticket_id} is your own");
            return Err(Problem::new(403, "ticket-own", detail));
        }
        if seat.holder.is_some() {
            let detail = format!(
                "the ticket {ticket_id} is ordered or sold: it can be ordered if that order ends unpaid"
            );
            return Err(Problem::new(409, "ticket-taken", detail));
        }
        seat.orders += 1;
        seat.holder = Some(order_id.clone());
        let made = order.insert(Order {
            user_id: user_id.to_owned(),
            number: seat.orders,
            version: 1,
            status: Status::Created,
            price: seat.price,
            expires_at_ms,
            payment: None,
            reason: None,
        });
        let event = Event::OrderCreated(made.event(order_id, ticket_id));
        Ok((Some(event), Answer::created(&made.view(order_id, ticket_id))))
    }

    fn cancel(&mut self, user_id: &str) -> Decided {
        let id = &self.order_id;
        let unknown = || Problem::new(404, "order-unknown", format!("there is no order {id}"));
        let order = self.order.as_ref().ok_or_else(unknown)?;
        if order.user_id != user_id {
            return Err(Problem::new(403, "order-foreign", format!("the order {id} is another user's")));
        }
        if order.status.has_ended() {
            let detail = format!("the order {id} has ended: nothing is left to cancel");
            return Err(Problem::new(409, "order-ended", detail));
        }
        let event = self.advance(Status::Cancelled, Some("given up by its user".to_owned()));
        let answer =
            self.order.as_ref().map(|order| Answer::changed(&order.view(&self.order_id, &self.ticket_id)));
        Ok((event, answer.unwrap_or_else(|| unreachable!("it was just changed"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orders::Seat;

    pub(super) const AT_MS: i64 = 1_000_000;
    const AFTER_MS: u64 = 120_000;

    fn case() -> Case {
        let seat = Seat { seller: "seller".to_owned(), price: 10, version: 1, orders: 0, holder: None };
        Case { ticket_id: "t1".to_owned(), order_id: "t1.o1".to_owned(), seat: Some(seat), order: None }
    }

    fn create(user: &str) -> Command {
        Command::CreateOrder { order_id: "t1.o1".to_owned(), user_id: user.to_owned() }
    }

    fn cancel(user: &str) -> Command {
        Command::CancelOrder { order_id: "t1.o1".to_owned(), user_id: user.to_owned() }
    }

    fn ordered() -> Case {
        let mut case = case();
        case.command(&create("u1"), AT_MS, AFTER_MS);
        case
    }

    fn brought_to(status: Status) -> Case {
        let mut case = ordered();
        case.advance(status, None);
        case
    }

    fn of_another_order(mut case: Case) -> Case {
        case.order_id = "t1.o2".to_owned();
        case.order = None;
        case
    }

    #[test]
    fn commands_are_taken_and_refused() {
        use Status::{Cancelled, Complete, Failed, Pending};
        let cases = [
            (case(), create("u1"), 201, true),
            (Case { seat: None, ..case() }, create("u1"), 404, false),
            (case(), create("seller"), 403, false),
            (ordered(), create("u1"), 201, false),
            (ordered(), create("u2"), 409, false),
            (of_another_order(ordered()), create("u2"), 409, false),
            (of_another_order(ordered()), create("u1"), 409, false),
            (of_another_order(brought_to(Pending)), create("u2"), 409, false),
            (of_another_order(brought_to(Complete)), create("u2"), 409, false),
            (of_another_order(brought_to(Cancelled)), create("u2"), 201, true),
            (of_another_order(brought_to(Failed)), create("u2"), 201, true),
            (case(), cancel("u1"), 404, false),
            (ordered(), cancel("u2"), 403, false),
            (ordered(), cancel("u1"), 200, true),
            (brought_to(Pending), cancel("u1"), 200, true),
            (brought_to(Complete), cancel("u1"), 409, false),
            (brought_to(Cancelled), cancel("u1"), 409, false),
            (brought_to(Failed), cancel("u1"), 409, false),
            (brought_to(Failed), cancel("u2"), 403, false),
        ];
        for (mut case, wanted, status, published) in cases {
            let before = case.clone();
            let (event, answer) = case.command(&wanted, AT_MS, AFTER_MS);
            assert_eq!((answer.status, event.is_some()), (status, published), "{wanted:?} {before:?}");
            assert_eq!(case != before, published, "{wanted:?} {before:?}");
        }
    }

    #[test]
    fn an_order_expires_so_long_after_its_command_and_orders_are_numbered() {
        let mut case = case();
        let (event, answer) = case.command(&create("u1"), AT_MS, AFTER_MS);
        let Some(Event::OrderCreated(event)) = event else { unreachable!("it was accepted") };
        assert_eq!((event.expires_at, event.number, event.version, event.price), (1_120_000, 1, 1, 10));
        assert_eq!(
            (&answer.body["status"], &answer.body["expiresAt"]),
            (&"created".into(), &1_120_000.into())
        );
        case.command(&cancel("u1"), AT_MS, AFTER_MS);
        let mut next = of_another_order(case);
        let (event, _) = next.command(&create("u2"), AT_MS, AFTER_MS);
        let Some(Event::OrderCreated(event)) = event else { unreachable!("it was accepted") };
        assert_eq!((event.number, event.version), (2, 1));
    }
}
