//! An exactly-once flow over many records, as a pipeline's test tries it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use thalweg::flow::{DeadLetters, ExactlyOnce, Flow, Guarantee, Outgoing, OutputTopic, Source};
use thalweg::kafka::Produce;
use thalweg::settings::TransactionSettings;
use thalweg::state::{Table, Timers};
use thalweg::trial::{Lasting, TrialRecord, Tried};
use thalweg::{DueNow, Output, Reason, Record, Run, StatefulOperator, Step};

const COUNTS: Table<[u8], u64> = Table::new(1);
const TIMERS: Timers<u64> = Timers::new();

const BEGIN_MS: i64 = 1_000_000;

/// Counts a key's records, and says each count 100 ms later.
struct Later(OutputTopic);

impl StatefulOperator for Later {
    fn process(&mut self, record: &Record<'_>, run: &mut Run<'_>) -> Step {
        let Some(key) = record.key else { return Step::Rejected(Reason::new("missing_key", "no key")) };
        let count = COUNTS.get(run, key).unwrap_or(0) + 1;
        COUNTS.put(run, key, &count);
        TIMERS.set(run, &count, run.now_ms() + 100);
        Step::Done
    }

    fn due(&mut self, timer: DueNow<'_>, run: &mut Run<'_>) {
        let Some(count) = TIMERS.due(run, timer) else { return };
        let text = count.to_string();
        let key = Some(timer.timer.key);
        self.0.send(run, Outgoing { key, value: Some(text.as_bytes()), ..Outgoing::default() });
    }
}

fn begin() -> Lasting {
    let flow = Flow::named("trial")
        .source(Source::topic("source"))
        .stateful("operator", |topics| Later(topics.find("out")))
        .topic("out", "kafka-out")
        .dead_letters(DeadLetters::beside_the_topic())
        .guarantee(ExactlyOnce::with(&TransactionSettings::default()));
    Lasting::begin(&flow, BEGIN_MS).unwrap()
}

fn record(key: &str) -> TrialRecord<'_> {
    TrialRecord { key: Some(key.as_bytes()), ..TrialRecord::default() }
}

fn said(tried: &Tried) -> Vec<(String, String)> {
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
    let read = |body: &[u8]| {
        let sent = Produce::decode(&mut &*body).unwrap();
        (text(sent.key), text(sent.value))
    };
    tried.sent.iter().map(|(_, request)| read(&request.body)).collect()
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

#[test]
fn state_and_timers_last_from_record_to_record_and_over_restarts() {
    let mut flow = begin();
    assert_eq!(flow.record(&record("a")).ended, 1);
    assert_eq!(said(&flow.wait_until(BEGIN_MS + 99)), []);
    flow.record(&record("a"));
    assert_eq!(said(&flow.wait_until(BEGIN_MS + 100)), [pair("a", "1")]);
    assert_eq!(said(&flow.restart()), []);
    flow.record(&record("a"));
    flow.record(&record("b"));
    let all = flow.wait_until(BEGIN_MS + 1_000);
    assert_eq!(said(&all), [pair("a", "2"), pair("a", "3"), pair("b", "1")]);
    assert_eq!(said(&flow.restart()), [], "what has fired is gone");
}

#[test]
fn what_is_overdue_at_a_restart_fires_then() {
    let mut flow = begin();
    flow.record(&record("a"));
    assert_eq!(said(&flow.wait_until(BEGIN_MS - 1)), [], "time does not go back");
    flow.wait_until(BEGIN_MS + 50);
    flow.restart();
    assert_eq!(said(&flow.wait_until(BEGIN_MS + 99)), []);
    assert_eq!(said(&flow.wait_until(BEGIN_MS + 100)), [pair("a", "1")]);
}

#[test]
fn a_rejected_record_is_told_of_and_the_next_one_runs() {
    let mut flow = begin();
    let tried = flow.record(&TrialRecord::default());
    assert_eq!((tried.ended, tried.dead_letter), (1, Some(("missing_key".to_owned(), "no key".to_owned()))));
    assert_eq!(flow.record(&record("a")).dead_letter, None);
}

#[test]
fn of_an_at_least_once_flow_nothing_lasts() {
    let flow = Flow::named("trial")
        .source(Source::topic("source"))
        .operator("none", |_| |_: &Record<'_>, _: &mut Output<'_>| Step::Filtered("no matter"))
        .dead_letters(DeadLetters::beside_the_topic())
        .guarantee(Guarantee::AtLeastOnce);
    assert!(Lasting::begin(&flow, BEGIN_MS).is_none());
}
