//! The flows: one for each service, the bridges into their inboxes, and the one that asks the provider.

mod bridges;
mod charging;

use thalweg::StatefulOperator;
use thalweg::commands::{CommandSettings, Commands, Replies};
use thalweg::flow::{DeadLetters, ExactlyOnce, Flow, OutputTopics, Source, StatefulBuilder};
use thalweg::views::View;

pub use bridges::{orders_expiration, orders_payments, orders_tickets, payments_orders, tickets_orders};
pub use charging::{charges, charges_by};

use crate::expiration::Expiration;
use crate::orders::Orders;
use crate::orders::requests::OwnedOrder;
use crate::payments::Payments;
use crate::settings::{Settings, TopicSettings};
use crate::tickets::Tickets;
use crate::{orders, payments, tickets};

/// Tickets: its inbox to its events.
#[must_use]
pub fn tickets(settings: &Settings) -> Flow {
    let (topics, own) = (&settings.topics, &settings.tickets);
    let (inbox, view) = (topics.internal("tickets-inbox"), topics.internal("tickets-view"));
    let shown = View::<()>::bytes(&view, &settings.views);
    let commands = commands(topics, &own.commands);
    let replying = commands.clone();
    let place = Place { topic: &inbox, group_key: "tickets.groups.inbox", group: &own.groups.inbox };
    let flow = begin(settings, "tickets", &place, move |topics| Tickets {
        events: topics.find("events"),
        view: topics.find("view"),
        replies: Replies::to(topics.find("replies"), &replying),
    });
    let flow =
        flow.topic("events", &topics.tickets).topic("view", &view).topic("replies", &commands.replies_topic);
    end(settings, "tickets", flow).make_missing([topics.log(&inbox), topics.log(&topics.tickets)]).commands(
        Commands::with(&commands)
            .section("tickets.commands")
            .post("/tickets", tickets::requests::create)
            .put("/tickets/{id}", tickets::requests::edit)
            .get_open_from(&shown, "/tickets/{id}", tickets::requests::one)
            .get_open_from(&shown, "/tickets", tickets::requests::all),
    )
}

/// Orders: its inbox to its events.
#[must_use]
pub fn orders(settings: &Settings) -> Flow {
    let (topics, own) = (&settings.topics, &settings.orders);
    let (inbox, view) = (topics.internal("orders-inbox"), topics.internal("orders-view"));
    let shown = View::<OwnedOrder>::json(&view, &settings.views);
    let (commands, expires_after_ms) = (commands(topics, &own.commands), own.expire_after_ms);
    let replying = commands.clone();
    let place = Place { topic: &inbox, group_key: "orders.groups.inbox", group: &own.groups.inbox };
    let flow = begin(settings, "orders", &place, move |topics| Orders {
        events: topics.find("events"),
        view: topics.find("view"),
        replies: Replies::to(topics.find("replies"), &replying),
        expires_after_ms,
    });
    let flow =
        flow.topic("events", &topics.orders).topic("view", &view).topic("replies", &commands.replies_topic);
    end(settings, "orders", flow).make_missing([topics.log(&inbox), topics.log(&topics.orders)]).commands(
        Commands::with(&commands)
            .section("orders.commands")
            .post("/orders", orders::requests::create)
            .delete("/orders/{id}", orders::requests::cancel)
            .get_from(&shown, "/orders/{id}", orders::requests::one)
            .get_from(&shown, "/orders", orders::requests::own),
    )
}

/// Payments: its inbox to its events and to what the provider is asked for.
#[must_use]
pub fn payments(settings: &Settings) -> Flow {
    let (topics, own) = (&settings.topics, &settings.payments);
    let (inbox, charges) = (topics.internal("payments-inbox"), topics.internal("charges"));
    let commands = commands(topics, &own.commands);
    let replying = commands.clone();
    let place = Place { topic: &inbox, group_key: "payments.groups.inbox", group: &own.groups.inbox };
    let flow = begin(settings, "payments", &place, move |topics| Payments {
        events: topics.find("events"),
        charges: topics.find("charges"),
        replies: Replies::to(topics.find("replies"), &replying),
    });
    let flow = flow
        .topic("events", &topics.payments)
        .topic("charges", &charges)
        .topic("replies", &commands.replies_topic);
    end(settings, "payments", flow)
        .make_missing([topics.log(&inbox), topics.log(&topics.payments), topics.log(&charges)])
        .commands(
            Commands::with(&commands)
                .section("payments.commands")
                .post("/payments", payments::requests::create),
        )
}

/// Expiration: the events of orders to its own.
#[must_use]
pub fn expiration(settings: &Settings) -> Flow {
    let (topics, groups) = (&settings.topics, &settings.expiration.groups);
    let place = Place { topic: &topics.orders, group_key: "expiration.groups.orders", group: &groups.orders };
    let flow = begin(settings, "expiration", &place, |topics| Expiration { events: topics.find("events") });
    end(settings, "expiration", flow.topic("events", &topics.expiration))
        .make_missing([topics.log(&topics.orders), topics.log(&topics.expiration)])
}

/// What the settings say, with the internal topic of replies where they name none.
fn commands(topics: &TopicSettings, settings: &CommandSettings) -> CommandSettings {
    let mut settings = settings.clone();
    if settings.replies_topic.is_empty() {
        settings.replies_topic = topics.internal("replies");
    }
    settings
}

/// What a flow reads, as a member of which group, and where that is set.
struct Place<'p> {
    topic: &'p str,
    group_key: &'p str,
    group: &'p str,
}

impl Place<'_> {
    fn source(&self, settings: &Settings) -> Source {
        Source::topic(self.topic).settings(&settings.kafka).group(self.group_key, self.group)
    }
}

/// An exactly-once flow; its changelog is an internal topic.
fn begin<O: StatefulOperator + 'static>(
    settings: &Settings,
    name: &'static str,
    place: &Place<'_>,
    operator: impl Fn(&OutputTopics) -> O + Send + Sync + 'static,
) -> StatefulBuilder<O> {
    let changelog_topic = settings.topics.internal(&format!("{name}-changelog"));
    let state = settings.state.with_changelog(changelog_topic);
    Flow::named(name).source(place.source(settings)).stateful(name, operator).state(&state)
}

/// What can't be read becomes a dead letter in a topic of the flow's own: several flows read one topic.
fn end<O: StatefulOperator + 'static>(
    settings: &Settings,
    name: &'static str,
    flow: StatefulBuilder<O>,
) -> Flow {
    let mut transactions = settings.transactions.clone();
    if !transactions.id_prefix.is_empty() {
        // Empty, it is the group, which is the flow's own.
        transactions.id_prefix = format!("{}-{name}", transactions.id_prefix);
    }
    flow.dead_letters(dead_letters(settings, name)).guarantee(ExactlyOnce::with(&transactions))
}

fn dead_letters(settings: &Settings, name: &str) -> DeadLetters {
    DeadLetters::beside_the_topic().topic(&settings.topics.internal(&format!("{name}-dlq")))
}
