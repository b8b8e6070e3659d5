//! What events of other services make of orders.

use super::{Case, Seat, Status};
use crate::events::{Event, ExpirationEvent, PaymentEvent, TicketEvent};

impl Case {
    /// What an event makes of the ticket or the order; answers what is to be published. What comes late or twice changes
    /// nothing.
    pub fn event(&mut self, event: &Event) -> Option<Event> {
        match event {
            Event::TicketCreated(event) | Event::TicketUpdated(event) => {
                self.learn(event);
                None
            }
            Event::PaymentCreated(event) => self.payment_created(event),
            Event::PaymentSucceeded(event) => self.payment_ended(event, Status::Complete, None),
            Event::PaymentFailed(event) => self.payment_ended(event, Status::Failed, event.reason.clone()),
            Event::ExpirationExpired(event) => self.expired(event),
            Event::OrderCreated(_)
            | Event::OrderPending(_)
            | Event::OrderCancelled(_)
            | Event::OrderFailed(_) => None,
        }
    }

    fn learn(&mut self, event: &TicketEvent) {
        match &mut self.seat {
            Some(seat) if seat.version >= event.version => {}
            Some(seat) => {
                seat.version = event.version;
                seat.price = event.price;
            }
            None => {
                self.seat = Some(Seat {
                    seller: event.user_id.clone(),
                    price: event.price,
                    version: event.version,
                    orders: 0,
                    holder: None,
                });
            }
        }
    }

    fn payment_created(&mut self, event: &PaymentEvent) -> Option<Event> {
        let order = self.order.as_mut().filter(|order| order.status == Status::Created)?;
        order.payment = Some(event.id.clone());
        self.advance(Status::Pending, None)
    }

    /// The end of the order's own payment. One that was never announced counts as well: it was overtaken.
    fn payment_ended(
        &mut self,
        event: &PaymentEvent,
        status: Status,
        reason: Option<String>,
    ) -> Option<Event> {
        let order = self.order.as_mut().filter(|order| !order.status.has_ended())?;
        if *order.payment.get_or_insert_with(|| event.id.clone()) != event.id {
            return None;
        }
        self.advance(status, reason)
    }

    fn expired(&mut self, _event: &ExpirationEvent) -> Option<Event> {
        self.order.as_ref().filter(|order| order.status == Status::Created)?;
        self.advance(Status::Cancelled, Some("expired".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orders::Command;

    fn payment(id: &str) -> PaymentEvent {
        PaymentEvent {
            id: id.to_owned(),
            user_id: "u1".to_owned(),
            ticket_id: "t1".to_owned(),
            order_id: "t1.o1".to_owned(),
            version: 1,
            amount: 10,
            reason: None,
        }
    }

    fn event(name: &str) -> Event {
        match name {
            "payment.created" => Event::PaymentCreated(payment("p1")),
            "payment.succeeded" => Event::PaymentSucceeded(payment("p1")),
            "payment.failed" => Event::PaymentFailed(payment("p1")),
            "other.failed" => Event::PaymentFailed(payment("p2")),
            "other.succeeded" => Event::PaymentSucceeded(payment("p2")),
            _ => Event::ExpirationExpired(ExpirationEvent {
                id: "t1.o1".to_owned(),
                user_id: "u1".to_owned(),
                ticket_id: "t1".to_owned(),
                order_id: "t1.o1".to_owned(),
                version: 1,
                expires_at: 0,
            }),
        }
    }

    fn ticket(version: u64, price: u64) -> Event {
        Event::TicketUpdated(TicketEvent {
            id: "t1".to_owned(),
            user_id: "seller".to_owned(),
            ticket_id: "t1".to_owned(),
            version,
            title: "opera".to_owned(),
            price,
            order_id: None,
        })
    }

    fn ordered() -> Case {
        let mut case = Case { ticket_id: "t1".to_owned(), order_id: "t1.o1".to_owned(), ..Case::default() };
        case.event(&ticket(1, 10));
        let create = Command::CreateOrder { order_id: "t1.o1".to_owned(), user_id: "u1".to_owned() };
        case.command(&create, 0, 1);
        case
    }

    /// Plays events; answers what was published, the order's status and version, and whether it has the ticket.
    fn play(names: &[&str]) -> (Vec<String>, Status, u64, bool) {
        let mut case = ordered();
        let mut published = Vec::new();
        for name in names {
            if let Some(event) = case.event(&event(name)) {
                let value = serde_json::to_value(&event).unwrap();
                published.push(value["type"].as_str().unwrap().to_owned());
            }
        }
        let order = case.order.unwrap();
        (published, order.status, order.version, case.seat.unwrap().holder.is_some())
    }

    /// What happens; what is published, the order's status and version in the end, and whether it has the ticket.
    type Way<'w> = (&'w [&'w str], &'w [&'w str], Status, u64, bool);

    #[test]
    fn orders_go_their_way_whatever_comes_late_or_twice() {
        use Status::{Cancelled, Complete, Created, Failed, Pending};
        let (begun, paid, failed, expired) =
            ("payment.created", "payment.succeeded", "payment.failed", "expiration.expired");
        let cases: [Way<'_>; 15] = [
            (&[], &[], Created, 1, true),
            (&[begun], &["order.pending"], Pending, 2, true),
            (&[begun, begun], &["order.pending"], Pending, 2, true),
            (&[begun, paid], &["order.pending"], Complete, 3, true),
            (&[begun, paid, paid], &["order.pending"], Complete, 3, true),
            (&[begun, failed], &["order.pending", "order.failed"], Failed, 3, false),
            (&[begun, failed, failed, begun], &["order.pending", "order.failed"], Failed, 3, false),
            (&[expired], &["order.cancelled"], Cancelled, 2, false),
            (&[expired, expired], &["order.cancelled"], Cancelled, 2, false),
            // Whichever of the two comes first.
            (&[expired, begun, paid], &["order.cancelled"], Cancelled, 2, false),
            (&[begun, expired], &["order.pending"], Pending, 2, true),
            (&[begun, paid, expired], &["order.pending"], Complete, 3, true),
            // The end before the beginning.
            (&[paid, begun], &[], Complete, 2, true),
            (&[failed, begun], &["order.failed"], Failed, 2, false),
            // Of another payment.
            (&[begun, "other.failed", "other.succeeded"], &["order.pending"], Pending, 2, true),
        ];
        for (names, published, status, version, holds) in cases {
            let published = published.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(play(names), (published, status, version, holds), "{names:?}");
        }
    }

    #[test]
    fn an_order_that_ended_leaves_the_next_ones_ticket_alone() {
        let mut case = ordered();
        case.event(&event("expiration.expired"));
        case.seat.as_mut().unwrap().holder = Some("t1.o2".to_owned());
        assert_eq!(case.event(&event("expiration.expired")), None);
        assert_eq!(case.event(&event("payment.failed")), None);
        assert_eq!(case.seat.unwrap().holder.as_deref(), Some("t1.o2"));
    }

    #[test]
    fn of_a_ticket_the_newest_counts_and_an_order_keeps_its_price() {
        let mut case = ordered();
        case.event(&ticket(3, 30));
        case.event(&ticket(2, 20));
        let seat = case.seat.unwrap();
        assert_eq!((seat.version, seat.price, seat.holder.is_some()), (3, 30, true));
        assert_eq!(case.order.unwrap().price, 10);
    }

    #[test]
    fn events_of_orders_that_are_not_there_change_nothing() {
        for name in ["payment.created", "payment.succeeded", "payment.failed", "expiration.expired"] {
            let mut case = ordered();
            case.order = None;
            let before = case.clone();
            assert_eq!((case.event(&event(name)), case), (None, before));
        }
    }
}
