//! The story of an order that somebody wants: it is paid, or declined, given up, or forgotten until it expires. Sometimes two
//! want the same ticket at the same moment, and one of them gets it.

use std::time::{Duration, Instant};

use fastrand::Rng;

use super::course::Market;
use super::people::Person;

/// Of 100 tickets that somebody wants, so many are wanted by two.
const RIVALS: u8 = 20;

/// Payments hears of an order a moment after its user does.
const UNKNOWN_PAUSE: Duration = Duration::from_millis(200);

/// How often an order that is about to end is looked at, and for how long.
const LOOK_EVERY: Duration = Duration::from_millis(300);
const LOOK_FOR: Duration = Duration::from_secs(90);

/// How an order is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Paid,
    Declined,
    GivenUp,
    Forgotten,
}

impl End {
    fn draw(rng: &mut Rng) -> Self {
        match rng.u8(..100) {
            0..50 => Self::Paid,
            50..60 => Self::Declined,
            60..75 => Self::GivenUp,
            _ => Self::Forgotten,
        }
    }
}

impl Market {
    /// Somebody wants a ticket that is free. Afterwards it is sold, or free again.
    pub(super) async fn want(&self, mut rng: Rng) {
        let Some(ticket) = self.take(&mut rng) else { return };
        let Some(buyer) = self.people.any(&[ticket.seller], &mut rng) else { return };
        let rival = if rng.u8(..100) < RIVALS {
            self.people.any(&[ticket.seller, buyer.name], &mut rng)
        } else {
            None
        };
        let (first, second) =
            tokio::join!(self.order(Some(buyer), &ticket.id), self.order(rival, &ticket.id));
        let sold = match first.or(second) {
            Some((id, buyer)) => self.bring_to_an_end(&id, &buyer, &mut rng).await,
            None => false,
        };
        if !sold {
            self.give_back(ticket).await;
        }
    }

    /// Orders, if there is somebody; answers the order's id if that was accepted, and whose it is.
    async fn order(&self, who: Option<Person>, ticket_id: &str) -> Option<(String, Person)> {
        let who = who?;
        let answer = self.services.order(&who, ticket_id).await;
        Some((answer.id().filter(|_| answer.accepted())?, who))
    }

    /// Does what the end takes; true when the order is paid.
    async fn bring_to_an_end(&self, id: &str, buyer: &Person, rng: &mut Rng) -> bool {
        let (end, expires_after) = (End::draw(rng), self.plan.expires_after);
        let thinking = expires_after.mul_f64(0.05 + 0.4 * rng.f64());
        match end {
            End::GivenUp => {
                tokio::time::sleep(thinking).await;
                self.services.cancel(buyer, id).await;
            }
            End::Forgotten => tokio::time::sleep(expires_after).await,
            End::Paid | End::Declined => {
                tokio::time::sleep(thinking).await;
                let card = if end == End::Paid { "card" } else { "declined" };
                self.pay(id, buyer, &format!("{card}-{}", rng.u32(..))).await;
            }
        }
        self.ended(id, buyer).await.as_deref() == Some("complete")
    }

    async fn pay(&self, id: &str, buyer: &Person, token: &str) {
        let begun = Instant::now();
        while self.services.pay(buyer, id, token).await.is_unknown()
            && begun.elapsed() < self.plan.expires_after
        {
            tokio::time::sleep(UNKNOWN_PAUSE).await;
        }
    }

    /// Waits until the order has ended; answers how, or `None` when it does not.
    async fn ended(&self, id: &str, buyer: &Person) -> Option<String> {
        let begun = Instant::now();
        while begun.elapsed() < LOOK_FOR {
            let status = self.services.status(buyer, id).await;
            if let Some(status) = status
                && ["complete", "cancelled", "failed"].contains(&status.as_str())
            {
                return Some(status);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        None
    }
}
