//! Answers and repeats, within one run.

use thalweg_connectors::kafka::produce::Produce;
use thalweg_core::exactly_once::StatefulOperator;
use thalweg_core::operator::Step;
use thalweg_core::record::Record;
use thalweg_core::timers::TimerRef;

use super::super::fingerprint::to_hex;
use super::*;
use crate::flow::{DeadLetters, ExactlyOnce, Flow, Source};
use crate::settings::TransactionSettings;
use crate::trial::{self, TrialRecord, Tried};

type Does = fn(&Replies, Command<'_>, &mut Run<'_>);

struct Operator(Replies, Does);

impl StatefulOperator for Operator {
    fn process(&mut self, record: &Record<'_>, run: &mut Run<'_>) -> Step {
        let command = Command::of(record).unwrap().unwrap();
        (self.1)(&self.0, command, run);
        Step::Done
    }

    fn due(&mut self, _due: DueNow<'_>, _run: &mut Run<'_>) {}
}

const ID: Fingerprint = [7; 16];

/// A reply as it was sent: its partition, status, whether it is a repeated one, and its body.
type Sent = (Option<i32>, u16, bool, String);

/// What is sent for a command of ann's, in partition 3 of 4, under the idempotency key `k`.
fn tried_in(partition: &str, does: Does) -> (Vec<Sent>, Tried) {
    let flow = Flow::named("trial")
        .source(Source::topic("source"))
        .stateful("operator", move |topics| {
            let settings = CommandSettings { replies_partitions: 4, ..CommandSettings::default() };
            Operator(Replies::to(topics.find("replies"), &settings), does)
        })
        .topic("replies", "kafka-replies")
        .dead_letters(DeadLetters::beside_the_topic())
        .guarantee(ExactlyOnce::with(&TransactionSettings::default()));
    let (id, hash) = (to_hex(&ID), to_hex(&[1; 16]));
    let headers = [
        ("correlation-id", id.as_str()),
        ("reply-partition", partition),
        ("user", "ann"),
        ("idempotency-key", "k"),
        ("request-hash", &hash),
    ];
    let record = TrialRecord { key: Some(b"key"), headers: &headers, ..TrialRecord::default() };
    let tried = trial::run(&flow, &record, |_, _| None);
    let sent = tried.sent.iter().map(|(_, request)| {
        let record = Produce::decode(&mut request.body.as_slice()).unwrap();
        let reply = ReplyHeaders::read(record.headers).unwrap();
        assert_eq!((record.topic, reply.correlation_id), ("kafka-replies", ID));
        let body = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
        (record.partition, reply.status, reply.repeated, body)
    });
    (sent.collect(), tried)
}

fn tried(does: Does) -> Vec<Sent> {
    let (sent, tried) = tried_in("3", does);
    assert_eq!((tried.ended, tried.dead_letter, tried.failed), (1, None, None));
    sent
}

#[test]
fn an_answer_goes_to_who_waits_and_again_to_who_repeats() {
    let sent = tried(|replies, command, run| {
        assert!(!replies.answered_before(run, &command));
        replies.answer(run, &command, 201, b"{}");
        assert!(replies.answered_before(run, &command));
    });
    let reply = |repeated| (Some(3), 201, repeated, "{}".to_owned());
    assert_eq!(sent, [reply(false), reply(true)]);
}

#[test]
fn a_refusal_is_an_answer() {
    let sent = tried(|replies, command, run| {
        replies.refuse(run, &command, &Problem::new(409, "taken", "by another"));
        assert!(replies.answered_before(run, &command));
    });
    assert!(
        sent.len() == 2 && sent.iter().all(|(_, status, _, body)| *status == 409 && body.contains("taken"))
    );
}

#[test]
fn another_request_under_the_same_key_is_refused_and_the_first_stays() {
    let sent = tried(|replies, command, run| {
        replies.answer(run, &command, 201, b"{}");
        assert!(replies.answered_before(run, &Command { request_hash: [2; 16], ..command }));
        assert!(replies.answered_before(run, &command));
    });
    let statuses: Vec<_> = sent.iter().map(|(_, status, repeated, _)| (*status, *repeated)).collect();
    assert_eq!(statuses, [(201, false), (422, false), (201, true)]);
}

#[test]
fn only_the_same_user_key_and_log_key_make_a_repeat() {
    let sent = tried(|replies, command, run| {
        replies.answer(run, &command, 201, b"{}");
        for other in [
            Command { user: "bob", ..command },
            Command { idempotency_key: Some("l"), ..command },
            Command { idempotency_key: None, ..command },
            Command { key: b"other", ..command },
        ] {
            assert!(!replies.answered_before(run, &other), "{other:?}");
        }
    });
    assert_eq!(sent.len(), 1);
}

#[test]
fn without_a_key_nothing_is_remembered() {
    let sent = tried(|replies, command, run| {
        let command = Command { idempotency_key: None, ..command };
        replies.answer(run, &command, 201, b"{}");
        assert!(!replies.answered_before(run, &command));
    });
    assert_eq!(sent.len(), 1);
}

#[test]
fn a_timer_of_ours_forgets_and_those_of_others_are_left_alone() {
    let sent = tried(|replies, command, run| {
        replies.answer(run, &command, 201, b"{}");
        let name = command.name().unwrap();
        let ours = [&TIMER_PREFIX[..], &name].concat();
        assert_eq!(run.state.timer_ms(&ours), Some(run.now_ms() + 24 * 3_600 * 1_000));
        let due = |id| DueNow { timer: TimerRef { key: b"key", id }, deadline_ms: 0 };
        for id in [&b""[..], b"\x01", &name, &TIMER_PREFIX] {
            assert!(!replies.forget(run, due(id)), "{id:?}");
        }
        assert!(replies.forget(run, due(&ours)));
        assert!(!replies.answered_before(run, &command));
    });
    assert_eq!(sent.len(), 1);
}

#[test]
fn a_reply_to_a_partition_that_is_not_there_does_not_stop_the_flow() {
    let (sent, tried) = tried_in("4", |replies, command, run| replies.answer(run, &command, 201, b"{}"));
    assert_eq!((sent, tried.ended, tried.failed), (vec![], 1, None));
}
