//! The story of an order that is wanted: it is created, and then paid, declined, given up, or forgotten until it expires.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::json;
use ticketing_audit::Verb;

use crate::board::{Placed, Ticket};
use crate::course::Course;
use crate::latencies::Latencies;
use crate::people::Person;
use crate::services::Wanted;

/// A ticket that was refused is tried again after this time.
const REFUSED_PAUSE: Duration = Duration::from_millis(400);

/// After an order has ended, its ticket is free for orders at once: they are the same service's.
const ENDED_PAUSE: Duration = Duration::from_millis(50);

/// Payments hears of an order a moment after its user does.
const UNKNOWN_PAUSE: Duration = Duration::from_millis(150);

/// How often an order that is being paid is looked at, and for how long.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LOOK_FOR: Duration = Duration::from_secs(120);

/// How an order is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Paid,
    Declined,
    GivenUp,
    Expired,
}

impl End {
    /// Of an order of a ticket that is not to be sold yet.
    pub(crate) fn draw(rng: &mut fastrand::Rng) -> Self {
        match rng.u32(..100) {
            0..15 => Self::Declined,
            15..60 => Self::GivenUp,
            _ => Self::Expired,
        }
    }
}

impl Course {
    /// Orders a ticket that nobody should have; it is free again when the order has ended otherwise than by being paid.
    pub(crate) async fn tell(
        &self,
        (number, ticket): (usize, Ticket),
        (due, latencies): (Instant, &Latencies),
        mut rng: fastrand::Rng,
    ) {
        let buyer = self.people.buyer(&mut rng).clone();
        let Some(id) = self.order(&ticket.id, &buyer).await else {
            tokio::time::sleep(REFUSED_PAUSE).await;
            self.board.free(number);
            return;
        };
        latencies.note(due);
        let end = if Instant::now() >= ticket.sold_from { End::Paid } else { End::draw(&mut rng) };
        if self.bring_to(end, &Placed { id, buyer }, &mut rng).await {
            self.board.sold();
        } else {
            tokio::time::sleep(ENDED_PAUSE).await;
            self.board.free(number);
        }
    }

    /// Orders; answers the order's id if that was accepted.
    pub(crate) async fn order(&self, ticket_id: &str, buyer: &Person) -> Option<String> {
        let body = Some(json!({ "ticketId": ticket_id }));
        let answer = self.services.command(buyer, Wanted { verb: Verb::CreateOrder, id: None, body }).await;
        let id = answer.text("id").filter(|_| answer.accepted())?.to_owned();
        self.board.place(Placed { id: id.clone(), buyer: buyer.clone() });
        Some(id)
    }

    /// Does what the end takes; true when the order is paid.
    pub(crate) async fn bring_to(&self, end: End, placed: &Placed, rng: &mut fastrand::Rng) -> bool {
        match end {
            End::GivenUp => {
                tokio::time::sleep(Duration::from_millis(rng.u64(100..2_000))).await;
                let wanted = Wanted { verb: Verb::CancelOrder, id: Some(placed.id.clone()), body: None };
                self.services.command(&placed.buyer, wanted).await;
                false
            }
            End::Expired => {
                tokio::time::sleep(self.expires_after).await;
                tokio::time::sleep(Duration::from_millis(rng.u64(200..800))).await;
                false
            }
            End::Paid | End::Declined => {
                let card = if end == End::Paid { "card" } else { "declined" };
                let paying = self.pay(placed, &format!("{card}-{}", rng.u64(..))).await;
                paying && self.ended(placed).await.as_deref() == Some("complete")
            }
        }
    }

    /// Pays; false when that was refused.
    async fn pay(&self, placed: &Placed, token: &str) -> bool {
        let begun = Instant::now();
        loop {
            let body = Some(json!({ "orderId": placed.id, "token": token }));
            let wanted = Wanted { verb: Verb::CreatePayment, id: None, body };
            let answer = self.services.command(&placed.buyer, wanted).await;
            if !answer.is(StatusCode::NOT_FOUND) || begun.elapsed() > self.expires_after {
                return answer.accepted();
            }
            tokio::time::sleep(UNKNOWN_PAUSE).await;
        }
    }

    /// Waits until the order has ended; answers how, or `None` when it does not.
    async fn ended(&self, placed: &Placed) -> Option<String> {
        let begun = Instant::now();
        while begun.elapsed() < LOOK_FOR {
            tokio::time::sleep(LOOK_EVERY).await;
            let status = self.services.order_status(&placed.buyer, &placed.id).await;
            if let Some(status) = status
                && ["complete", "cancelled", "failed"].contains(&status.as_str())
            {
                return Some(status);
            }
        }
        None
    }
}
