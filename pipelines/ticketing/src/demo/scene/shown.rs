//! The answer to the page.

use serde::Serialize;

use super::{Counts, News, Order, Scene, Stand};
use crate::events::{OrderEvent, TicketEvent};

/// How many of each the page gets.
const TICKETS_SHOWN: usize = 30;
const ORDERS_SHOWN: usize = 60;

#[derive(Debug, Serialize)]
pub(super) struct ShownTicket<'s> {
    pub(super) title: &'s str,
    pub(super) price: u64,
    pub(super) seller: &'s str,
    /// `free`, or how the order stands that has it.
    pub(super) state: &'static str,
    pub(super) holder: Option<&'s str>,
}

#[derive(Debug, Serialize)]
pub(super) struct ShownOrder<'s> {
    pub(super) title: &'s str,
    pub(super) price: u64,
    pub(super) user: &'s str,
    pub(super) stand: Stand,
    pub(super) expires_unix_ms: i64,
}

/// See the module's text.
#[derive(Debug, Serialize)]
pub(in crate::demo) struct Shown<'s> {
    pub(super) now_unix_ms: i64,
    pub(super) expires_after_ms: u64,
    pub(super) over: bool,
    pub(super) on_sale: usize,
    pub(super) waiting: usize,
    pub(super) paying: usize,
    pub(super) counts: Counts,
    pub(super) tickets: Vec<ShownTicket<'s>>,
    pub(super) orders: Vec<ShownOrder<'s>>,
    pub(super) news: Vec<&'s News>,
}

impl Scene {
    /// What the page shows now.
    pub(in crate::demo) fn shown(&self, now_unix_ms: i64, over: bool) -> Shown<'_> {
        let mut orders: Vec<_> = self.orders.values().filter_map(|order| self.under_way(order)).collect();
        // What expires next stands first; what is being paid does not expire.
        orders.sort_by_key(|order| (order.stand == Stand::Paying, order.expires_unix_ms));
        let with = |stand| orders.iter().filter(|order| order.stand == stand).count();
        let (waiting, paying) = (with(Stand::Waiting), with(Stand::Paying));
        orders.truncate(ORDERS_SHOWN);
        Shown {
            now_unix_ms,
            expires_after_ms: u64::try_from(self.expires_after.as_millis()).unwrap_or(u64::MAX),
            over,
            on_sale: self.tickets.values().filter(|ticket| ticket.order_id.is_none()).count(),
            waiting,
            paying,
            counts: self.counts,
            tickets: self.tickets.values().rev().take(TICKETS_SHOWN).map(|one| self.for_sale(one)).collect(),
            orders,
            news: self.news.iter().collect(),
        }
    }

    fn under_way<'s>(&'s self, order: &'s Order) -> Option<ShownOrder<'s>> {
        let stand = order.stand().filter(|stand| !stand.is_end())?;
        let (OrderEvent { user_id, ticket_id, price, expires_at, .. }, _) = order.is.as_ref()?;
        let title = self.title(ticket_id);
        Some(ShownOrder { title, price: *price, user: user_id, stand, expires_unix_ms: *expires_at })
    }

    fn for_sale<'s>(&'s self, is: &'s TicketEvent) -> ShownTicket<'s> {
        let order = is.order_id.as_ref().and_then(|id| self.orders.get(id));
        let holder = order.and_then(|order| order.is.as_ref()).map(|(order, _)| order.user_id.as_str());
        let state = match (&is.order_id, order.and_then(Order::stand)) {
            (None, _) => "free",
            (Some(_), Some(Stand::Paid)) => "sold",
            (Some(_), Some(Stand::Paying)) => "being paid",
            (Some(_), _) => "ordered",
        };
        ShownTicket { title: &is.title, price: is.price, seller: &is.user_id, state, holder }
    }
}
