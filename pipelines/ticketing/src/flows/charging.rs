//! The flow that asks the provider: at least once, and looked up before.

use std::sync::Arc;

use thalweg::calls::{Call, Calls, Conclusion, Ended, FollowUps, HttpSink, Method};
use thalweg::flow::{Flow, Guarantee};
use thalweg::kafka::{Headers, Produce, Records, encode_headers};
use thalweg::{Output, Reason, Record, SinkHandle, Step};

use super::{Place, dead_letters};
use crate::charges::{Asked, Concluded, LedgerProvider, Provider, Request};
use crate::ids;
use crate::settings::Settings;

/// What payments asks for, to the provider; what became of it, into payments' inbox.
#[must_use]
pub fn charges(settings: &Settings) -> Flow {
    charges_by(settings, LedgerProvider)
}

/// The same, with that provider.
#[must_use]
pub fn charges_by(settings: &Settings, provider: impl Provider) -> Flow {
    let (topics, own) = (&settings.topics, &settings.payments);
    let (topic, inbox) = (topics.internal("charges"), topics.internal("payments-inbox"));
    let place = Place { topic: &topic, group_key: "payments.groups.charges", group: &own.groups.charges };
    let mut kafka = settings.kafka.clone();
    kafka.group.id.clone_from(&own.groups.charges);
    let provider = Arc::new(provider);
    let (asking, outcomes) = (Arc::clone(&provider), inbox.clone());
    Flow::named("charges")
        .source(place.source(settings))
        .operator("ask", move |sinks| {
            let (sink, provider) = (sinks.find::<HttpSink>("provider"), Arc::clone(&asking));
            move |record: &Record<'_>, out: &mut Output<'_>| ask(&*provider, sink, record, out)
        })
        .sink(
            "provider",
            Calls::to("payments.provider", &own.provider)
                .with_follow_ups("outcomes", move |call, ended, follow_ups| {
                    conclude(&*provider, &outcomes, call, ended, *follow_ups)
                }),
        )
        .sink("outcomes", Records::on_topic(&kafka, &inbox))
        .dead_letters(dead_letters(settings, "charges"))
        .guarantee(Guarantee::AtLeastOnce)
        .make_missing([topics.log(&topic), topics.log(&inbox)])
}

fn ask(
    provider: &impl Provider,
    sink: SinkHandle<HttpSink>,
    record: &Record<'_>,
    out: &mut Output<'_>,
) -> Step {
    let value = record.value.unwrap_or_default();
    let request: Request = match serde_json::from_slice(value) {
        Ok(request) => request,
        Err(error) => {
            // Where, not what: it holds somebody's token.
            let (line, column) = (error.line(), error.column());
            let detail = format!("the value is no request to the provider: see line {line}, column {column}");
            return Step::Rejected(Reason::new("malformed_request", detail));
        }
    };
    let Asked { path, lookup, body } = provider.ask(&request);
    let mut headers = Vec::new();
    encode_headers([(&b"content-type"[..], Some(&b"application/json"[..]))].into_iter(), &mut headers);
    let call = Call {
        method: Method::Post,
        path,
        headers: Headers::new(&headers),
        body: &body,
        idempotency_key: request.key(),
        note: value,
        lookup: lookup.as_deref(),
    };
    out.send(sink, call);
    Step::Done
}

fn conclude(
    provider: &impl Provider,
    topic: &str,
    call: &Call<'_>,
    ended: Ended<'_>,
    follow_ups: FollowUps,
) -> Conclusion {
    let request: Request = match serde_json::from_slice(call.note) {
        Ok(request) => request,
        Err(_) => unreachable!("it was read before it was asked for"),
    };
    let outcome = match provider.conclude(&request, ended) {
        Concluded::Outcome(outcome) => outcome,
        Concluded::Nothing => return Conclusion::Nothing,
        Concluded::Unreadable(why) => return Conclusion::Unreadable(why),
    };
    // Strings: always possible.
    let value = serde_json::to_vec(&outcome).unwrap_or_default();
    let key = Some(ids::ticket_of(request.about().0).as_bytes());
    let (value, headers) = (Some(value.as_slice()), Headers::default());
    follow_ups.record(&Produce { topic, partition: None, key, value, headers })
}
