use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use thalweg_core::SinkStatus;
use thalweg_core::failure::Reason;

use super::*;
use crate::letters::LetterCounts;
use crate::log_ends::LogEnds;
use crate::memory::MemoryPlan;
use crate::page::history::SharedHistory;
use crate::page::latest_letters::LatestLetters;
use crate::snapshot::{PartitionSnapshot, StateSnapshot};

const NOW: Now = Now { uptime_ms: 100_000, unix_ms: 1_700_000_000_000 };

fn view(snapshots: Vec<Snapshot>) -> View {
    let about = About {
        flow: "orders",
        topic: "orders-v1".into(),
        sinks: vec![("documents", "Elasticsearch"), (LETTERS_SINK, "Kafka (dead letters)")],
        open_records_max: 1_000,
        commit_interval_ms: 1_000,
        ..About::default()
    };
    View {
        boards: snapshots.into_iter().map(|snapshot| Arc::new(Mutex::new(snapshot))).collect(),
        flow: "orders",
        memory_bytes: 1 << 28,
        ends: LogEnds::default(),
        letters: LetterCounts::default(),
        latest_letters: LatestLetters::new(false),
        history: SharedHistory::default(),
        about: Arc::new(about),
        memory: MemoryPlan { worker_bytes: 1_000_000, partition_bytes: 100_000, read_ahead_kilobytes: 1 },
        commands: None,
        shown: Vec::new(),
        search: None,
    }
}

/// A worker with one partition; of 100 records read 7 are in flight.
fn worker(number: i32) -> Snapshot {
    let mut snapshot =
        Snapshot { taken_ms: 99_900, joined: true, reserved_bytes: 4_000, ..Snapshot::default() };
    snapshot.accounts.read = 100;
    snapshot.accounts.outcomes = [10, 5, 3, 70, 2];
    snapshot.accounts.given_up = 3;
    snapshot.committed_ms = Some(99_000);
    snapshot.partitions = vec![PartitionSnapshot {
        topic: "orders-v1".into(),
        number,
        committed: 80,
        finished: 90,
        done_until: 90,
        open: 7,
        high: Some(120),
        state: None,
    }];
    let closed = SinkStatus { breaker_closed: true, requests: 4, ..SinkStatus::default() };
    snapshot.sinks = vec![("documents", closed.clone()), (LETTERS_SINK, closed)];
    snapshot
}

fn told(view: &View) -> Value {
    serde_json::to_value(status(view, std::slice::from_ref(view), 0, NOW)).unwrap()
}

#[test]
fn where_records_went_adds_up_over_all_workers() {
    let told = told(&view(vec![worker(1), worker(0)]));
    let records = &told["records"];
    let wanted = json!({
        "read": 200, "delivered": 140, "filtered": 20, "duplicates": 10, "superseded": 6, "dead_lettered": 4,
        "given_up": 6, "in_flight": 14,
    });
    assert_eq!(records, &wanted);
    let parts = records.as_object().unwrap().iter().filter(|(name, _)| *name != "read");
    assert_eq!(parts.map(|(_, count)| count.as_u64().unwrap()).sum::<u64>(), 200);
    assert_eq!(told["lag_records"], 60);
    assert_eq!(told["records_bytes"], 1_800_000, "two workers, one partition each");
}

#[test]
fn partitions_are_sorted_and_know_their_worker() {
    let mut restoring = worker(1);
    restoring.partitions[0].state = Some(StateSnapshot {
        rows: 3,
        timers: 2,
        bytes: 500,
        restoring: true,
        loading: false,
        restore_left: Some(9),
        kept_age_ms: Some(7_000),
        kept_bytes: Some(400),
    });
    let told = told(&view(vec![restoring, worker(0)]));
    let partition = |index: usize| told["partitions"][index].clone();
    let wanted = json!({
        "topic": "orders-v1", "number": 0, "worker": 1, "committed": 80, "finished": 90, "end": 120, "lag": 30,
        "open": 7, "state": null,
    });
    let state = json!({
        "rows": 3, "timers": 2, "bytes": 500, "restoring": true, "restore_left": 9, "loading": false,
        "snapshot_age_ms": 7_000, "snapshot_bytes": 400,
    });
    assert_eq!(partition(1)["state"], state);
    assert_eq!((partition(0), &partition(1)["number"]), (wanted, &json!(1)));
    assert_eq!(told["workers"][0]["commit_age_ms"], 1_000);
}

#[test]
fn a_sink_is_as_bad_as_its_worst_worker_and_says_since_when() {
    let mut broken = worker(1);
    let reason = Reason::new("elasticsearch_state", "http://es:9200: connection refused (os error 111)");
    broken.sinks[0].1 = SinkStatus {
        breaker_opened: 1,
        last_error: Some(reason),
        parked_since_ms: Some(95_000),
        ..SinkStatus::default()
    };
    let view = view(vec![worker(0), broken]);
    let look = |uptime_ms| view.history.lock().take(&view.snapshots(), Now { uptime_ms, ..NOW });
    look(88_000);
    look(89_000);
    let told = told(&view);
    let sink = &told["sinks"][0];
    assert_eq!(
        [
            &sink["system"],
            &sink["breaker"],
            &sink["down_for_ms"],
            &sink["parked_for_ms"],
            &sink["last_error_age_ms"]
        ],
        [&json!("Elasticsearch"), &json!("open"), &json!(12_000), &json!(5_000), &json!(12_000)]
    );
    assert_eq!((&sink["requests"], &told["sinks"][1]["breaker"]), (&json!(4), &json!("closed")));
    assert_eq!(told["situation"]["case"], "sink_down");
    let text = told["situation"]["text"].as_str().unwrap();
    assert!(
        text.starts_with("Elasticsearch has been down for 12 s (http://es:9200: connection refused)"),
        "{text}"
    );
    assert_eq!(
        (told["samples"].as_array().unwrap().len(), &told["samples"][0]["sink_down"]),
        (1, &json!(true))
    );
}

#[test]
fn every_flow_of_the_process_is_listed_with_its_tone() {
    let mut broken = worker(0);
    broken.sinks[0].1.breaker_closed = false;
    let (well, mut ill) = (view(vec![worker(0)]), view(vec![broken]));
    ill.flow = "payments";
    for view in [&well, &ill] {
        view.history.lock().take(&view.snapshots(), NOW);
    }
    let told = serde_json::to_value(status(&well, &[well.clone(), ill], 0, NOW)).unwrap();
    let wanted = json!([{"name": "orders", "tone": "good"}, {"name": "payments", "tone": "bad"}]);
    assert_eq!((&told["flows"], &told["about"]["flow"]), (&wanted, &json!("orders")));
}

#[test]
fn limits_that_are_reached_are_known() {
    let mut full = worker(0);
    full.sinks[0].1.breaker_closed = false;
    full.reserved_bytes = 890_000;
    let text = told(&view(vec![full]))["situation"]["text"].as_str().unwrap().to_owned();
    assert!(text.contains("reading has paused"), "{text}");
}

#[test]
fn a_commit_that_does_not_come_and_brokers_that_do_not_answer_are_told() {
    let mut late = worker(0);
    late.committed_ms = Some(80_000);
    assert_eq!(told(&view(vec![late.clone()]))["situation"]["case"], "commit_late");
    late.partitions[0].committed = 90;
    let view = view(vec![late]);
    assert_ne!(told(&view)["situation"]["case"], "commit_late", "nothing waits for a commit");
    view.ends.lock().answered_ms = Some(80_000);
    assert_eq!(told(&view)["situation"]["case"], "brokers_silent");
}
