//! Commands that should be refused: for what somebody else has, for what there is not, for what may not be done.

use serde_json::json;
use ticketing_audit::Verb;

use crate::board::Placed;
use crate::course::Course;
use crate::services::Wanted;
use crate::story::End;

impl Course {
    /// Wants one of these. Should an order be accepted after all (its ticket has just become free), it is given up.
    pub(crate) async fn tease(&self, mut rng: fastrand::Rng) {
        let Some((number, ticket)) = self.board.taken(&mut rng) else { return };
        let buyer = self.people.buyer(&mut rng).clone();
        match rng.u32(..100) {
            0..5 => drop(self.order(&format!("no-such-ticket-{}", rng.u64(..)), &buyer).await),
            // Nobody buys from himself.
            5..10 => drop(self.order(&ticket.id, self.people.seller(number)).await),
            10..15 => {
                let Some(placed) = self.board.last_placed() else { return };
                let stranger = self.people.another(&placed.buyer, &mut rng).clone();
                let wanted = Wanted { verb: Verb::CancelOrder, id: Some(placed.id), body: None };
                self.services.command(&stranger, wanted).await;
            }
            15..20 => {
                let Some(placed) = self.board.last_placed() else { return };
                let stranger = self.people.another(&placed.buyer, &mut rng).clone();
                let body = Some(json!({ "orderId": placed.id, "token": "card-of-a-stranger" }));
                self.services.command(&stranger, Wanted { verb: Verb::CreatePayment, id: None, body }).await;
            }
            20..30 => {
                // Its seller may, while nobody has it.
                let who = if rng.bool() { self.people.seller(number) } else { &buyer };
                let body = Some(json!({ "title": "another title", "price": 1_000 + rng.u64(..1_000) }));
                let wanted = Wanted { verb: Verb::EditTicket, id: Some(ticket.id), body };
                self.services.command(who, wanted).await;
            }
            _ => {
                if let Some(id) = self.order(&ticket.id, &buyer).await {
                    self.bring_to(End::GivenUp, &Placed { id, buyer }, &mut rng).await;
                }
            }
        }
    }
}
