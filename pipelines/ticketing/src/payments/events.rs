//! What events of orders, and outcomes of charges, make of payments.

use super::{Case, Decision, KnownOrder, Stage};
use crate::charges::{Outcome, Request};
use crate::events::{Event, OrderEvent};

impl Case {
    /// What an event of the order makes of it. What comes late or twice changes nothing.
    pub fn event_of_order(&mut self, event: &Event) -> Decision {
        let (order, ended) = match event {
            Event::OrderCreated(order) | Event::OrderPending(order) => (order, false),
            Event::OrderCancelled(order) | Event::OrderFailed(order) => (order, true),
            _ => return Decision::default(),
        };
        if !self.learn(order, ended) {
            return Decision::default();
        }
        match event {
            Event::OrderPending(order) => self.begin_charge(order),
            _ if ended => self.order_ended(),
            _ => Decision::default(),
        }
    }

    /// Whether the event is newer than what is known of the order.
    fn learn(&mut self, event: &OrderEvent, ended: bool) -> bool {
        let known = self.order.get_or_insert_with(|| KnownOrder {
            user_id: event.user_id.clone(),
            price: event.price,
            version: 0,
            expires_at_ms: event.expires_at,
            ended: false,
            payment: None,
        });
        let newer = event.version > known.version;
        if newer {
            known.version = event.version;
            known.ended = ended;
        }
        newer
    }

    fn begin_charge(&mut self, event: &OrderEvent) -> Decision {
        let Self { order_id, order: Some(order) } = self else { return Decision::default() };
        let Some(payment) = &mut order.payment else { return Decision::default() };
        let Stage::Created { token } = &mut payment.stage else { return Decision::default() };
        if event.payment_id.as_ref() != Some(&payment.id) {
            return Decision::default();
        }
        let request = Request::charge(order_id, &payment.id, order.price, std::mem::take(token));
        payment.stage = Stage::Charging;
        Decision { event: None, request: Some(request) }
    }

    fn order_ended(&mut self) -> Decision {
        let payment = self.order.as_mut().and_then(|order| order.payment.as_mut());
        let Some(payment) = payment else { return Decision::default() };
        match payment.stage {
            Stage::Created { .. } => {
                let reason = "the order ended before it was charged";
                Decision { event: self.fail(Stage::Failed, reason), request: None }
            }
            // It was announced as paid, and the order could not be completed.
            Stage::Succeeded => {
                payment.stage = Stage::Refunding;
                Decision { event: None, request: self.refund() }
            }
            // What becomes of the charge decides.
            Stage::Charging | Stage::Failed | Stage::Refunding | Stage::Refunded => Decision::default(),
        }
    }

    /// What an outcome of a charge or a refund makes of the payment.
    pub fn outcome(&mut self, outcome: &Outcome) -> Decision {
        let (_, payment_id) = outcome.about();
        let Some(order) = &mut self.order else { return Decision::default() };
        let ended = order.ended;
        let Some(payment) = order.payment.as_mut().filter(|payment| payment.id == payment_id) else {
            return Decision::default();
        };
        match (&payment.stage, outcome) {
            (Stage::Charging, Outcome::Charged { .. }) if ended => {
                let reason = "the order ended while it was charged: the money is given back";
                Decision { event: self.fail(Stage::Refunding, reason), request: self.refund() }
            }
            (Stage::Charging, Outcome::Charged { .. }) => {
                payment.stage = Stage::Succeeded;
                payment.version += 1;
                Decision { event: self.event().map(Event::PaymentSucceeded), request: None }
            }
            (Stage::Charging, Outcome::Declined { reason, .. }) => {
                Decision { event: self.fail(Stage::Failed, reason), request: None }
            }
            (Stage::Refunding, Outcome::Refunded { .. }) => {
                payment.stage = Stage::Refunded;
                Decision::default()
            }
            _ => Decision::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payments::Command;

    fn order(version: u64, payment: Option<&str>) -> OrderEvent {
        OrderEvent {
            id: "t1.o1".to_owned(),
            user_id: "u1".to_owned(),
            ticket_id: "t1".to_owned(),
            version,
            number: 1,
            price: 10,
            expires_at: 1_000,
            payment_id: payment.map(str::to_owned),
            reason: None,
        }
    }

    fn about() -> (String, String) {
        ("t1.o1".to_owned(), "t1.o1.p1".to_owned())
    }

    /// Lets what the name says happen; answers what is published and asked for.
    fn happen(case: &mut Case, name: &str) -> Vec<String> {
        let (order_id, payment_id) = about();
        let decision = match name {
            "pay" => {
                let (user_id, token) = ("u1".to_owned(), "tok".to_owned());
                case.command(&Command::CreatePayment { payment_id, user_id, token }, 0).0
            }
            "created" => case.event_of_order(&Event::OrderCreated(order(1, None))),
            "pending" => case.event_of_order(&Event::OrderPending(order(2, Some("t1.o1.p1")))),
            "pending for another" => case.event_of_order(&Event::OrderPending(order(2, Some("t1.o1.p2")))),
            "cancelled" => case.event_of_order(&Event::OrderCancelled(order(2, None))),
            "cancelled later" => case.event_of_order(&Event::OrderCancelled(order(3, Some("t1.o1.p1")))),
            "failed" => case.event_of_order(&Event::OrderFailed(order(3, Some("t1.o1.p1")))),
            "charged" => case.outcome(&Outcome::Charged { order_id, payment_id }),
            "declined" => case.outcome(&Outcome::Declined { order_id, payment_id, reason: "no".to_owned() }),
            "refunded" => case.outcome(&Outcome::Refunded { order_id, payment_id }),
            "charged of another" => case.outcome(&Outcome::Charged { order_id, payment_id: "x".to_owned() }),
            _ => unreachable!("{name}"),
        };
        let kind = |value: serde_json::Value| value["type"].as_str().unwrap().to_owned();
        let event = decision.event.map(|event| kind(serde_json::to_value(event).unwrap()));
        let request = decision.request.map(|request| kind(serde_json::to_value(request).unwrap()));
        event.into_iter().chain(request).collect()
    }

    fn play(names: &[&str]) -> Vec<String> {
        let mut case = Case { order_id: "t1.o1".to_owned(), order: None };
        names.iter().flat_map(|name| happen(&mut case, name)).collect()
    }

    #[test]
    fn payments_go_their_way_whatever_comes_late_or_twice() {
        let (created, succeeded, failed) = ("payment.created", "payment.succeeded", "payment.failed");
        let (charge, refund) = ("charge.requested", "refund.requested");
        let cases: [(&[&str], &[&str]); 17] = [
            (&["created", "pay", "pending", "charged"], &[created, charge, succeeded]),
            (&["created", "pay", "pending", "declined", "failed"], &[created, charge, failed]),
            // Nothing is charged twice.
            (
                &["created", "pay", "pay", "pending", "pending", "charged", "charged"],
                &[created, charge, succeeded],
            ),
            (&["created", "pay", "pending", "charged", "pending", "declined"], &[created, charge, succeeded]),
            (&["created", "pay", "pending", "created", "charged"], &[created, charge, succeeded]),
            // The order ended first: nothing is charged.
            (&["created", "pay", "cancelled"], &[created, failed]),
            (&["created", "pay", "cancelled", "pending", "cancelled"], &[created, failed]),
            (&["created", "cancelled", "pay"], &[]),
            (&["created", "cancelled", "created", "pay"], &[]),
            // It ended while the provider was asked.
            (
                &["created", "pay", "pending", "cancelled later", "charged"],
                &[created, charge, failed, refund],
            ),
            (
                &[
                    "created",
                    "pay",
                    "pending",
                    "cancelled later",
                    "charged",
                    "charged",
                    "refunded",
                    "refunded",
                ],
                &[created, charge, failed, refund],
            ),
            (&["created", "pay", "pending", "cancelled later", "declined"], &[created, charge, failed]),
            // It ended while it was told of its payment.
            (
                &["created", "pay", "pending", "charged", "cancelled later"],
                &[created, charge, succeeded, refund],
            ),
            (
                &[
                    "created",
                    "pay",
                    "pending",
                    "charged",
                    "cancelled later",
                    "cancelled later",
                    "refunded",
                    "charged",
                ],
                &[created, charge, succeeded, refund],
            ),
            // Others.
            (&["created", "pay", "pending for another", "charged"], &[created]),
            (&["created", "pay", "pending", "charged of another"], &[created, charge]),
            (&["charged", "declined", "refunded", "cancelled", "created"], &[]),
        ];
        for (names, expected) in cases {
            assert_eq!(play(names), expected, "{names:?}");
        }
    }

    #[test]
    fn the_token_is_kept_until_it_is_asked_for_and_no_longer() {
        let mut case = Case { order_id: "t1.o1".to_owned(), order: None };
        for name in ["created", "pay"] {
            happen(&mut case, name);
        }
        let decision = case.event_of_order(&Event::OrderPending(order(2, Some("t1.o1.p1"))));
        let Some(Request::Charge { token, key, amount, .. }) = decision.request else {
            unreachable!("it is charged")
        };
        assert_eq!((token.as_str(), key.as_str(), amount), ("tok", "t1.o1", 10));
        assert_eq!(case.order.unwrap().payment.unwrap().stage, Stage::Charging);
    }
}
