//! Tables and timers as a flow's operator uses them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde::{Deserialize, Serialize};
use thalweg::flow::{DeadLetters, ExactlyOnce, Flow, Outgoing, Source};
use thalweg::kafka::Produce;
use thalweg::settings::TransactionSettings;
use thalweg::state::{Row, Table, Timers, decode};
use thalweg::trial::{self, TrialRecord, Tried};
use thalweg::{DueNow, Record, Run, StatefulOperator, Step};

struct Operator(fn(&Record<'_>, &mut Run<'_>) -> Step);

impl StatefulOperator for Operator {
    fn process(&mut self, record: &Record<'_>, run: &mut Run<'_>) -> Step {
        self.0(record, run)
    }

    fn due(&mut self, _timer: DueNow<'_>, _run: &mut Run<'_>) {}
}

fn tried(process: fn(&Record<'_>, &mut Run<'_>) -> Step) -> Tried {
    let flow = Flow::named("trial")
        .source(Source::topic("source"))
        .stateful("operator", move |_| Operator(process))
        .dead_letters(DeadLetters::beside_the_topic())
        .guarantee(ExactlyOnce::with(&TransactionSettings::default()));
    trial::run(&flow, &TrialRecord { key: Some(b"key"), ..TrialRecord::default() }, |_, _| None)
}

/// An order as the first version of a program kept it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OldOrder {
    price: u32,
}

impl Row for OldOrder {}

/// The same as a later version keeps it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Order {
    price: u32,
    buyer: Option<String>,
}

impl Row for Order {
    const VERSION: u8 = 2;

    fn of_version(version: u8, bytes: &[u8]) -> Option<Self> {
        let OldOrder { price } = (version == OldOrder::VERSION).then(|| decode(bytes))??;
        Some(Self { price, buyer: None })
    }
}

const OLD_ORDERS: Table<str, OldOrder> = Table::new(3);
const ORDERS: Table<str, Order> = Table::new(3);
const OTHERS: Table<str, Order> = Table::new(4);

#[test]
fn a_run_reads_what_it_wrote_with_types_and_tables_are_apart() {
    let found = tried(|_, run| {
        let order = Order { price: 7, buyer: Some("b".to_owned()) };
        assert_eq!(ORDERS.get(run, "o-1"), None);
        ORDERS.put(run, "o-1", &order);
        assert_eq!((ORDERS.get(run, "o-1"), OTHERS.get(run, "o-1")), (Some(order), None));
        ORDERS.delete(run, "o-1");
        assert_eq!(ORDERS.get(run, "o-1"), None);
        Step::Done
    });
    assert_eq!((found.ended, found.failed), (1, None));
}

#[test]
fn rows_of_an_earlier_version_are_read() {
    let found = tried(|_, run| {
        OLD_ORDERS.put(run, "o-1", &OldOrder { price: 7 });
        assert_eq!(ORDERS.get(run, "o-1"), Some(Order { price: 7, buyer: None }));
        Step::Done
    });
    assert_eq!((found.ended, found.failed), (1, None));
}

#[test]
fn a_row_that_can_not_be_read_ends_the_flow_whatever_the_operator_says() {
    fn read_wrongly(run: &mut Run<'_>) {
        ORDERS.put(run, "o-1", &Order { price: 7, buyer: None });
        assert_eq!(OLD_ORDERS.get(run, "o-1"), None);
    }
    let all: [fn(&Record<'_>, &mut Run<'_>) -> Step; 2] = [
        |_, run| {
            read_wrongly(run);
            Step::Done
        },
        |_, run| {
            read_wrongly(run);
            Step::Filtered("no matter")
        },
    ];
    for process in all {
        let found = tried(process);
        let failed = found.failed.unwrap();
        assert!(failed.contains("table 3 (version 2)") && failed.contains("OldOrder"), "{failed}");
        assert_eq!(found.ended, 0);
    }
}

/// What can be due.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Due {
    Expire { order: u64 },
    Remind,
}

const TIMERS: Timers<Due> = Timers::new();

#[test]
fn timers_are_told_apart_by_their_ids() {
    let found = tried(|_, run| {
        let due_ms = run.now_ms() + 1_000_000;
        TIMERS.set(run, &Due::Expire { order: 7 }, due_ms);
        TIMERS.set(run, &Due::Remind, due_ms + 1);
        assert_eq!(TIMERS.deadline_ms(run, &Due::Expire { order: 7 }), Some(due_ms));
        assert_eq!(TIMERS.deadline_ms(run, &Due::Expire { order: 8 }), None);
        TIMERS.cancel(run, &Due::Remind);
        assert_eq!(TIMERS.deadline_ms(run, &Due::Remind), None);
        Step::Done
    });
    assert_eq!((found.ended, found.failed), (1, None));
}

#[test]
fn what_is_sent_goes_to_the_topic_of_that_name() {
    struct Copies(thalweg::flow::OutputTopic);
    impl StatefulOperator for Copies {
        fn process(&mut self, record: &Record<'_>, run: &mut Run<'_>) -> Step {
            self.0.send(run, Outgoing { key: record.key, value: Some(b"v"), ..Outgoing::default() });
            Step::Done
        }
        fn due(&mut self, _timer: DueNow<'_>, _run: &mut Run<'_>) {}
    }
    let flow = Flow::named("trial")
        .source(Source::topic("source"))
        .stateful("operator", |topics| Copies(topics.find("second")))
        .topic("first", "kafka-first")
        .topic("second", "kafka-second")
        .dead_letters(DeadLetters::beside_the_topic())
        .guarantee(ExactlyOnce::with(&TransactionSettings::default()));
    let record = TrialRecord { key: Some(b"key"), ..TrialRecord::default() };
    let tried = trial::run(&flow, &record, |_, _| None);
    let (name, request) = &tried.sent[0];
    let sent = Produce::decode(&mut request.body.as_slice()).unwrap();
    assert_eq!((*name, sent.topic, sent.key), ("second", "kafka-second", Some(&b"key"[..])));
}
