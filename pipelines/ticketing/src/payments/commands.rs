//! What commands make of payments.

use thalweg::commands::Problem;

use super::{Case, Command, Decision, Payment, Stage};
use crate::answer::Answer;
use crate::events::Event;

impl Case {
    /// Decides a command of that time, in ms since 1970.
    pub fn command(&mut self, command: &Command, at_ms: i64) -> (Decision, Answer) {
        let decided = self.create(command, at_ms);
        decided.unwrap_or_else(|problem| (Decision::default(), problem.into()))
    }

    fn create(&mut self, command: &Command, at_ms: i64) -> Result<(Decision, Answer), Problem> {
        let Command::CreatePayment { payment_id, user_id, token } = command;
        let id = &self.order_id;
        let unknown = || Problem::new(404, "order-unknown", format!("there is no order {id}"));
        let order = self.order.as_mut().ok_or_else(unknown)?;
        if order.user_id != *user_id {
            return Err(Problem::new(403, "order-foreign", format!("the order {id} is another user's")));
        }
        match &order.payment {
            // Ids are made of the user and what he calls the command: it is the same command again.
            Some(payment) if payment.id == *payment_id => return Ok((Decision::default(), self.answer())),
            Some(payment) => return Err(paid_already(id, &payment.stage)),
            None => {}
        }
        if order.ended {
            let detail =
                format!("the order {id} was cancelled or has expired: the ticket must be ordered again");
            return Err(Problem::new(409, "order-ended", detail));
        }
        if at_ms >= order.expires_at_ms {
            let detail = format!("the order {id} has expired: the ticket must be ordered again");
            return Err(Problem::new(409, "order-expired", detail));
        }
        let stage = Stage::Created { token: token.clone() };
        order.payment = Some(Payment { id: payment_id.clone(), version: 1, stage, reason: None });
        let event = self.event().map(Event::PaymentCreated);
        Ok((Decision { event, request: None }, self.answer()))
    }

    fn answer(&self) -> Answer {
        Answer::created(&self.view())
    }
}

fn paid_already(order_id: &str, stage: &Stage) -> Problem {
    let (code, what) = match stage {
        Stage::Created { .. } | Stage::Charging => ("payment-underway", "is being paid"),
        Stage::Succeeded => ("order-paid", "is paid"),
        Stage::Failed | Stage::Refunding | Stage::Refunded => {
            ("payment-failed", "has ended: its payment failed")
        }
    };
    Problem::new(409, code, format!("the order {order_id} {what}"))
}

#[cfg(test)]
mod tests {
    use super::super::KnownOrder;
    use super::*;

    fn known() -> Case {
        let order = KnownOrder {
            user_id: "u1".to_owned(),
            price: 10,
            version: 1,
            expires_at_ms: 1_000,
            ended: false,
            payment: None,
        };
        Case { order_id: "t1.o1".to_owned(), order: Some(order) }
    }

    fn with(stage: Stage) -> Case {
        let mut case = known();
        let payment = Payment { id: "t1.o1.p1".to_owned(), version: 1, stage, reason: None };
        case.order.as_mut().unwrap().payment = Some(payment);
        case
    }

    fn pay(user: &str, payment: &str) -> Command {
        Command::CreatePayment {
            payment_id: format!("t1.o1.{payment}"),
            user_id: user.to_owned(),
            token: "secret".to_owned(),
        }
    }

    #[test]
    fn commands_are_taken_and_refused() {
        let ended = || {
            let mut case = known();
            case.order.as_mut().unwrap().ended = true;
            case
        };
        let created = || with(Stage::Created { token: String::new() });
        let cases = [
            (known(), pay("u1", "p1"), 999, 201, "created"),
            (known(), pay("u1", "p1"), 1_000, 409, "order-expired"),
            (Case { order: None, ..known() }, pay("u1", "p1"), 0, 404, "order-unknown"),
            (known(), pay("u2", "p1"), 0, 403, "order-foreign"),
            (ended(), pay("u1", "p1"), 0, 409, "order-ended"),
            (created(), pay("u1", "p1"), 5_000, 201, ""),
            (created(), pay("u1", "p2"), 0, 409, "payment-underway"),
            (created(), pay("u2", "p2"), 0, 403, "order-foreign"),
            (with(Stage::Charging), pay("u1", "p2"), 0, 409, "payment-underway"),
            (with(Stage::Succeeded), pay("u1", "p2"), 0, 409, "order-paid"),
            (with(Stage::Failed), pay("u1", "p2"), 0, 409, "payment-failed"),
            (with(Stage::Refunded), pay("u1", "p2"), 0, 409, "payment-failed"),
        ];
        for (mut case, wanted, at_ms, status, what) in cases {
            let before = case.clone();
            let (decision, answer) = case.command(&wanted, at_ms);
            assert_eq!(answer.status, status, "{before:?}");
            assert_eq!(decision.event.is_some(), what == "created", "{before:?}");
            assert_eq!(decision.request, None, "nothing is charged before the order is pending");
            if status >= 400 {
                assert_eq!(answer.body["type"], format!("urn:problem:{what}"));
                assert_eq!(case, before);
            }
        }
    }

    #[test]
    fn tokens_are_shown_nowhere() {
        let mut case = known();
        let wanted = pay("u1", "p1");
        let (decision, answer) = case.command(&wanted, 0);
        let shown = format!("{wanted:?} {case:?} {decision:?} {}", answer.body);
        assert!(!shown.contains("secret"), "{shown}");
    }
}
