//! A flow whose calls lead to records, tried on single records.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends at the first surprise")]

use thalweg::calls::{Call, Calls, Ended, HttpAnswer, HttpSettings, HttpSink, Method};
use thalweg::flow::{DeadLetters, Flow, Guarantee, Source};
use thalweg::kafka::{Headers, ItemAnswer, KafkaSettings, Produce, Records};
use thalweg::trial::{self, Reply, Request, TrialRecord, Tried};
use thalweg::{Output, Record, SinkHandle, Step};

fn charge(provider: SinkHandle<HttpSink>) -> impl FnMut(&Record<'_>, &mut Output<'_>) -> Step {
    move |record, out| {
        let (note, body) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
        let (method, path, headers) = (Method::Post, "/charges", Headers::default());
        out.send(
            provider,
            Call { method, path, headers, body, idempotency_key: "order-1", note, lookup: None },
        );
        Step::Done
    }
}

fn provider() -> Calls {
    Calls::to("provider", &HttpSettings::default()).with_follow_ups("charged", |call, ended, follow_ups| {
        let told = match ended {
            Ended::Refused { status: 422, .. } => return thalweg::calls::Conclusion::Nothing,
            Ended::Found { body } | Ended::Done { body, .. } | Ended::Refused { body, .. } => body,
            Ended::GaveUp { .. } => b"gave up",
        };
        let (key, value) = (Some(call.note), Some(told));
        follow_ups.record(&Produce {
            topic: "charged",
            partition: None,
            key,
            value,
            headers: Headers::default(),
        })
    })
}

fn flow() -> Flow {
    Flow::named("charges")
        .source(Source::topic("charges"))
        .sink("provider", provider())
        .sink("charged", Records::on_topic(&KafkaSettings::default(), "charged"))
        .operator("charge", |sinks| charge(sinks.find("provider")))
        .dead_letters(DeadLetters::beside_the_topic())
        .guarantee(Guarantee::AtLeastOnce)
}

fn tried(mut answer: impl FnMut(&'static str, &Request) -> Option<Reply>) -> Tried {
    let record = TrialRecord { key: Some(b"o1"), value: Some(b"3"), ..TrialRecord::default() };
    trial::run(&flow(), &record, &mut answer)
}

fn answered(status: u16, body: &str) -> Option<Reply> {
    Some(Reply::Answer { status, body: HttpAnswer { retry_after_ms: None, whole: true, body }.encode() })
}

fn written() -> Option<Reply> {
    let mut body = Vec::new();
    ItemAnswer::Delivered.encode(&mut body);
    Some(Reply::Answer { status: 0, body })
}

#[test]
fn the_answer_becomes_a_record_and_the_call_ends_with_it() {
    for (status, body) in [(200, "charge 7"), (402, "no money")] {
        for is_written in [true, false] {
            let done = tried(|sink, _| match sink {
                "provider" => answered(status, body),
                _ => written().filter(|_| is_written),
            });
            let sinks: Vec<_> = done.sent.iter().map(|(sink, _)| *sink).collect();
            assert_eq!(sinks, ["provider", "charged"]);
            let record = Produce::decode(&mut done.sent[1].1.body.as_slice()).unwrap();
            assert_eq!(
                (record.topic, record.key, record.value),
                ("charged", Some(&b"o1"[..]), Some(body.as_bytes()))
            );
            assert_eq!((done.ended, done.dead_letter), (u64::from(is_written), None));
        }
    }
}

#[test]
fn a_refused_call_that_nothing_follows_from_is_a_dead_letter() {
    let done = tried(|_, _| answered(422, "unknown order"));
    assert_eq!(done.dead_letter, Some(("call_refused".to_owned(), "422: unknown order".to_owned())));
    assert_eq!((done.sent.len(), done.ended), (1, 1));
}

#[test]
#[should_panic(expected = "must be added to the flow after it")]
fn a_sink_that_follows_stands_behind_the_one_it_follows_from() {
    let _ = Flow::named("charges")
        .source(Source::topic("charges"))
        .sink("charged", Records::on_topic(&KafkaSettings::default(), "charged"))
        .sink("provider", provider())
        .dead_letters(DeadLetters::beside_the_topic())
        .guarantee(Guarantee::AtLeastOnce);
}
