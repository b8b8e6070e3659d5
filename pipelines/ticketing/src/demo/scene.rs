//! What the page shows: how tickets and orders stand, as the services' events say.

mod shown;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde::Serialize;

use crate::events::{Event, OrderEvent, TicketEvent};

/// Tickets and orders that are remembered: more than anybody looks at. Those that are under way are.
const REMEMBERED_MAX: usize = 2_000;

/// The news that are kept.
const NEWS_MAX: usize = 40;

/// See the module's text.
pub(super) struct Scene {
    expires_after: Duration,
    /// In the order in which they came up for sale.
    tickets: BTreeMap<u64, TicketEvent>,
    /// Where a ticket stands among them.
    numbers: BTreeMap<String, u64>,
    orders: BTreeMap<String, Order>,
    /// Orders that have ended, newest first.
    news: VecDeque<News>,
    counts: Counts,
}

/// What events of two topics say of an order; which comes first is not said.
#[derive(Debug, Default)]
struct Order {
    is: Option<(OrderEvent, Stand)>,
    paid: bool,
    told: bool,
}

/// How an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Stand {
    Waiting,
    Paying,
    Paid,
    Expired,
    GivenUp,
    Declined,
}

/// How many there were so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    pub(super) tickets: u64,
    pub(super) orders: u64,
    pub(super) paid: u64,
    pub(super) expired: u64,
    pub(super) cancelled: u64,
    pub(super) failed: u64,
    pub(super) refused: u64,
}

#[derive(Debug, Serialize)]
struct News {
    unix_ms: i64,
    stand: Stand,
    user: String,
    title: String,
    price: u64,
}

impl Scene {
    pub(super) fn new(expires_after: Duration) -> Self {
        Self {
            expires_after,
            tickets: BTreeMap::new(),
            numbers: BTreeMap::new(),
            orders: BTreeMap::new(),
            news: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Somebody did not get what he wanted.
    pub(super) fn refused(&mut self) {
        self.counts.refused += 1;
    }

    /// An event of that time.
    pub(super) fn take(&mut self, event: Event, unix_ms: i64) {
        let order = event.order_id().map(str::to_owned);
        match event {
            Event::TicketCreated(ticket) | Event::TicketUpdated(ticket) => self.ticket(ticket),
            Event::OrderCreated(order) => {
                self.counts.orders += 1;
                self.order(order, Stand::Waiting);
            }
            Event::OrderPending(order) => self.order(order, Stand::Paying),
            Event::OrderFailed(order) => self.order(order, Stand::Declined),
            Event::OrderCancelled(order) => {
                let expired = order.reason.as_deref() == Some("expired");
                self.order(order, if expired { Stand::Expired } else { Stand::GivenUp });
            }
            Event::PaymentSucceeded(payment) => self.orders.entry(payment.order_id).or_default().paid = true,
            Event::PaymentCreated(_) | Event::PaymentFailed(_) | Event::ExpirationExpired(_) => {}
        }
        if let Some(id) = order {
            self.tell(&id, unix_ms);
        }
        self.forget();
    }

    fn ticket(&mut self, ticket: TicketEvent) {
        match self.numbers.get(&ticket.id).and_then(|number| self.tickets.get_mut(number)) {
            Some(known) if known.version >= ticket.version => {}
            Some(known) => *known = ticket,
            None if ticket.version == 1 => {
                self.counts.tickets += 1;
                self.numbers.insert(ticket.id.clone(), self.counts.tickets);
                self.tickets.insert(self.counts.tickets, ticket);
            }
            // It was forgotten.
            None => {}
        }
    }

    fn order(&mut self, order: OrderEvent, stand: Stand) {
        let known = self.orders.entry(order.id.clone()).or_default();
        if known.is.as_ref().is_none_or(|(is, _)| is.version < order.version) {
            known.is = Some((order, stand));
        }
    }

    /// Lists an order that has ended among the news, once.
    fn tell(&mut self, id: &str, unix_ms: i64) {
        let Some(order) = self.orders.get_mut(id) else { return };
        let Some(stand) = order.stand().filter(|stand| stand.is_end()) else { return };
        if std::mem::replace(&mut order.told, true) {
            return;
        }
        let counted = match stand {
            Stand::Paid => &mut self.counts.paid,
            Stand::Expired => &mut self.counts.expired,
            Stand::GivenUp => &mut self.counts.cancelled,
            _ => &mut self.counts.failed,
        };
        *counted += 1;
        let Some((OrderEvent { user_id, ticket_id, price, .. }, _)) = &self.orders[id].is else { return };
        let (user, title) = (user_id.clone(), self.title(ticket_id).to_owned());
        let news = News { unix_ms, stand, user, title, price: *price };
        self.news.push_front(news);
        self.news.truncate(NEWS_MAX);
    }

    fn title(&self, ticket_id: &str) -> &str {
        let ticket = self.numbers.get(ticket_id).and_then(|number| self.tickets.get(number));
        // The topics are read side by side: an order may be read before its ticket.
        ticket.map_or("a ticket", |ticket| &ticket.title)
    }

    /// Lets go of what is over, the oldest first.
    fn forget(&mut self) {
        if self.orders.len() <= REMEMBERED_MAX {
            return;
        }
        let Self { tickets, numbers, orders, .. } = self;
        let held: BTreeSet<&String> =
            tickets.values().filter_map(|ticket| ticket.order_id.as_ref()).collect();
        orders.retain(|id, order| !order.told || held.contains(id));
        if orders.len() > REMEMBERED_MAX / 2 {
            let is_sold = |ticket: &TicketEvent| {
                ticket.order_id.as_ref().and_then(|id| orders.get(id)).is_some_and(|order| order.told)
            };
            let sold: Vec<u64> =
                tickets.iter().filter(|(_, ticket)| is_sold(ticket)).map(|(number, _)| *number).collect();
            for ticket in sold[..sold.len() / 2].iter().filter_map(|number| tickets.remove(number)) {
                numbers.remove(&ticket.id);
                if let Some(id) = ticket.order_id {
                    orders.remove(&id);
                }
            }
        }
    }
}

impl Order {
    fn stand(&self) -> Option<Stand> {
        let (_, stand) = self.is.as_ref()?;
        // One that was given up is refunded, and stays given up.
        Some(if *stand == Stand::Paying && self.paid { Stand::Paid } else { *stand })
    }
}

impl Stand {
    fn is_end(self) -> bool {
        !matches!(self, Self::Waiting | Self::Paying)
    }
}
