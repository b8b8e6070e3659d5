//! Sending what was decided.

use serde::Serialize;
use thalweg::Run;
use thalweg::flow::{Outgoing, OutputTopic};
use thalweg::kafka::{Headers, encode_headers};

use crate::events::Event;

/// Where events say who they are: the same in every copy of one.
const MESSAGE_ID: &str = "message-id";

/// Publishes an event, keyed by its ticket.
pub(crate) fn event(topic: &OutputTopic, run: &mut Run<'_>, event: &Event) {
    let mut headers = Vec::new();
    let id = message_id(event);
    encode_headers([(MESSAGE_ID.as_bytes(), Some(id.as_bytes()))].into_iter(), &mut headers);
    let Some(value) = json(run, event) else { return };
    let key = Some(event.ticket_id().as_bytes());
    topic.send(run, Outgoing { key, value: Some(&value), headers: Headers::new(&headers) });
}

/// Sends any other message with that key.
pub(crate) fn message(topic: &OutputTopic, run: &mut Run<'_>, key: &str, message: &impl Serialize) {
    let Some(value) = json(run, message) else { return };
    topic.send(run, Outgoing { key: Some(key.as_bytes()), value: Some(&value), headers: Headers::default() });
}

fn json(run: &mut Run<'_>, message: &impl Serialize) -> Option<Vec<u8>> {
    let written = serde_json::to_vec(message);
    if let Err(error) = &written {
        run.state.fail(format!("a message can't be written: {error}"));
    }
    written.ok()
}

/// A subject has one event of each version.
fn message_id(event: &Event) -> String {
    let (topic, id, version) = match event {
        Event::TicketCreated(event) | Event::TicketUpdated(event) => ("ticket", &event.id, event.version),
        Event::OrderCreated(event)
        | Event::OrderPending(event)
        | Event::OrderCancelled(event)
        | Event::OrderFailed(event) => ("order", &event.id, event.version),
        Event::PaymentCreated(event) | Event::PaymentSucceeded(event) | Event::PaymentFailed(event) => {
            ("payment", &event.id, event.version)
        }
        Event::ExpirationExpired(event) => ("expiration", &event.id, event.version),
    };
    format!("{topic}:{id}:{version}")
}
