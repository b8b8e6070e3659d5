//! The flows: one for each service, and the bridges into their inboxes.

use thalweg::StatefulOperator;
use thalweg::flow::{DeadLetters, ExactlyOnce, Flow, OutputTopics, Source, StatefulBuilder};

use crate::bridge::Bridge;
use crate::events::Event;
use crate::expiration::Expiration;
use crate::orders::Orders;
use crate::payments::Payments;
use crate::replies::Replies;
use crate::settings::Settings;
use crate::tickets::Tickets;

/// Tickets: its inbox to its events.
#[must_use]
pub fn tickets(settings: &Settings) -> Flow {
    let topics = &settings.topics;
    let flow = begin(
        settings,
        "tickets",
        &topics.internal("tickets-inbox"),
        ["tickets", &settings.groups.tickets],
        |topics| Tickets {
            events: topics.find("events"),
            view: topics.find("view"),
            replies: Replies(topics.find("replies")),
        },
    );
    let flow = flow
        .topic("events", &topics.tickets)
        .topic("view", &topics.internal("tickets-view"))
        .topic("replies", &topics.internal("replies"));
    end(settings, flow)
}

/// Orders: its inbox to its events.
#[must_use]
pub fn orders(settings: &Settings) -> Flow {
    let (topics, expires_after_ms) = (&settings.topics, settings.orders.expire_after_ms);
    let inbox = topics.internal("orders-inbox");
    let flow = begin(settings, "orders", &inbox, ["orders", &settings.groups.orders], move |topics| Orders {
        events: topics.find("events"),
        view: topics.find("view"),
        replies: Replies(topics.find("replies")),
        expires_after_ms,
    });
    let flow = flow
        .topic("events", &topics.orders)
        .topic("view", &topics.internal("orders-view"))
        .topic("replies", &topics.internal("replies"));
    end(settings, flow)
}

/// Payments: its inbox to its events and to what the provider is asked for.
#[must_use]
pub fn payments(settings: &Settings) -> Flow {
    let topics = &settings.topics;
    let inbox = topics.internal("payments-inbox");
    let flow =
        begin(settings, "payments", &inbox, ["payments", &settings.groups.payments], |topics| Payments {
            events: topics.find("events"),
            charges: topics.find("charges"),
            replies: Replies(topics.find("replies")),
        });
    let flow = flow
        .topic("events", &topics.payments)
        .topic("charges", &topics.internal("charges"))
        .topic("replies", &topics.internal("replies"));
    end(settings, flow)
}

/// Expiration: the events of orders to its own.
#[must_use]
pub fn expiration(settings: &Settings) -> Flow {
    let (topics, groups) = (&settings.topics, &settings.groups);
    let group = ["expiration_orders", groups.expiration_orders.as_str()];
    let flow = begin(settings, "expiration", &topics.orders, group, |topics| Expiration {
        events: topics.find("events"),
    });
    end(settings, flow.topic("events", &topics.expiration))
}

/// Events of tickets, into orders' inbox.
#[must_use]
pub fn orders_tickets(settings: &Settings) -> Flow {
    let (topics, group) = (&settings.topics, &settings.groups.orders_tickets);
    bridge(settings, "orders-tickets", [&topics.tickets, group, "orders-inbox"], |event| {
        matches!(event, Event::TicketCreated(_) | Event::TicketUpdated(_))
    })
}

/// Events of payments, into orders' inbox.
#[must_use]
pub fn orders_payments(settings: &Settings) -> Flow {
    let (topics, group) = (&settings.topics, &settings.groups.orders_payments);
    bridge(settings, "orders-payments", [&topics.payments, group, "orders-inbox"], |event| {
        matches!(event, Event::PaymentCreated(_) | Event::PaymentSucceeded(_) | Event::PaymentFailed(_))
    })
}

/// Events of expirations, into orders' inbox.
#[must_use]
pub fn orders_expiration(settings: &Settings) -> Flow {
    let (topics, group) = (&settings.topics, &settings.groups.orders_expiration);
    bridge(settings, "orders-expiration", [&topics.expiration, group, "orders-inbox"], |event| {
        matches!(event, Event::ExpirationExpired(_))
    })
}

/// Events of orders, into tickets' inbox.
#[must_use]
pub fn tickets_orders(settings: &Settings) -> Flow {
    let (topics, group) = (&settings.topics, &settings.groups.tickets_orders);
    bridge(settings, "tickets-orders", [&topics.orders, group, "tickets-inbox"], |event| {
        matches!(event, Event::OrderCreated(_) | Event::OrderCancelled(_) | Event::OrderFailed(_))
    })
}

/// Events of orders, into payments' inbox.
#[must_use]
pub fn payments_orders(settings: &Settings) -> Flow {
    let (topics, group) = (&settings.topics, &settings.groups.payments_orders);
    bridge(settings, "payments-orders", [&topics.orders, group, "payments-inbox"], |event| {
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
    [topic, group, inbox]: [&str; 3],
    concerns: fn(&Event) -> bool,
) -> Flow {
    let group = [&*name.replace('-', "_"), group];
    let flow = begin(settings, name, topic, group, move |topics| Bridge::new(topics.find("inbox"), concerns));
    end(settings, flow.topic("inbox", &settings.topics.internal(inbox)))
}

fn begin<O: StatefulOperator + 'static>(
    settings: &Settings,
    name: &'static str,
    topic: &str,
    [key, group]: [&str; 2],
    operator: impl Fn(&OutputTopics) -> O + Send + Sync + 'static,
) -> StatefulBuilder<O> {
    Flow::named(name)
        .source(Source::topic(topic).settings(&settings.kafka).group(&format!("groups.{key}"), group))
        .stateful(name, operator)
        .state(&settings.state)
}

fn end<O: StatefulOperator + 'static>(settings: &Settings, flow: StatefulBuilder<O>) -> Flow {
    flow.dead_letters(DeadLetters::beside_the_topic()).guarantee(ExactlyOnce::with(&settings.transactions))
}
