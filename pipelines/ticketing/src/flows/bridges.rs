//! The bridges: what a service reads of another one, on its way into the service's inbox.

use thalweg::flow::Flow;
use thalweg::settings::StateSettings;

use super::{Place, begin, end};
use crate::bridge::Bridge;
use crate::events::Event;
use crate::settings::Settings;

/// A bridge keeps nothing, so there is nothing to take snapshots of either.
const STATE_BYTES: u64 = 1 << 20;

/// Events of tickets, into orders' inbox.
#[must_use]
pub fn orders_tickets(settings: &Settings) -> Flow {
    let (topic, group) = (&settings.topics.tickets, &settings.orders.groups.tickets);
    let place = Place { topic, group_key: "orders.groups.tickets", group };
    bridge(settings, "orders-tickets", &place, "orders-inbox", |event| {
        matches!(event, Event::TicketCreated(_) | Event::TicketUpdated(_))
    })
}

/// Events of payments, into orders' inbox.
#[must_use]
pub fn orders_payments(settings: &Settings) -> Flow {
    let (topic, group) = (&settings.topics.payments, &settings.orders.groups.payments);
    let place = Place { topic, group_key: "orders.groups.payments", group };
    bridge(settings, "orders-payments", &place, "orders-inbox", |event| {
        matches!(event, Event::PaymentCreated(_) | Event::PaymentSucceeded(_) | Event::PaymentFailed(_))
    })
}

/// Events of expirations, into orders' inbox.
#[must_use]
pub fn orders_expiration(settings: &Settings) -> Flow {
    let (topic, group) = (&settings.topics.expiration, &settings.orders.groups.expiration);
    let place = Place { topic, group_key: "orders.groups.expiration", group };
    bridge(settings, "orders-expiration", &place, "orders-inbox", |event| {
        matches!(event, Event::ExpirationExpired(_))
    })
}

/// Events of orders, into tickets' inbox.
#[must_use]
pub fn tickets_orders(settings: &Settings) -> Flow {
    let (topic, group) = (&settings.topics.orders, &settings.tickets.groups.orders);
    let place = Place { topic, group_key: "tickets.groups.orders", group };
    bridge(settings, "tickets-orders", &place, "tickets-inbox", |event| {
        matches!(event, Event::OrderCreated(_) | Event::OrderCancelled(_) | Event::OrderFailed(_))
    })
}

/// Events of orders, into payments' inbox.
#[must_use]
pub fn payments_orders(settings: &Settings) -> Flow {
    let (topic, group) = (&settings.topics.orders, &settings.payments.groups.orders);
    let place = Place { topic, group_key: "payments.groups.orders", group };
    bridge(settings, "payments-orders", &place, "payments-inbox", |event| {
        matches!(
            event,
            Event::OrderCreated(_)
                | Event::OrderPending(_)
                | Event::OrderCancelled(_)
                | Event::OrderFailed(_)
        )
    })
}

fn bridge(
    settings: &Settings,
    name: &'static str,
    place: &Place<'_>,
    inbox: &str,
    concerns: fn(&Event) -> bool,
) -> Flow {
    let (topics, inbox) = (&settings.topics, settings.topics.internal(inbox));
    let flow = begin(settings, name, place, move |topics| Bridge::new(topics.find("inbox"), concerns));
    let changelog_topic = topics.internal(&format!("{name}-changelog"));
    let state = StateSettings { changelog_topic, bytes_max: STATE_BYTES, ..StateSettings::default() };
    let flow = flow.topic("inbox", &inbox).state(&state);
    end(settings, name, flow).make_missing([topics.log(place.topic), topics.log(&inbox)])
}
