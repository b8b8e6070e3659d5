//! What takes an Elasticsearch of one's own: queues that overflow, bodies that are too large, restarts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

mod indexer;

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use indexer::Scene;
use indexer::records::{created, deleted, history, updated};
use indexer::topics;
use thalweg_testbed::instance::Instance;
use thalweg_testbed::private::Elasticsearch;

/// A larger body is refused with 413.
const BODY_BYTES_MAX: usize = 256 << 10;

/// The tests' one node, for one test at a time. It ends with the process.
fn node() -> MutexGuard<'static, Elasticsearch> {
    static NODE: LazyLock<Mutex<Elasticsearch>> = LazyLock::new(|| {
        let body = format!("http.max_content_length: {BODY_BYTES_MAX}b");
        let settings = [Elasticsearch::TINY_QUEUE, &[body.as_str()]].concat();
        Mutex::new(Elasticsearch::start(&settings).unwrap())
    });
    // A test that failed has left nothing that bothers the next one.
    NODE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn scene_on(node: &Elasticsearch, what: &str) -> Scene {
    Scene::on(&thalweg_testbed::servers::kafka(), &node.url(), what, 2)
}

#[test]
fn items_that_a_full_queue_refuses_arrive_later() {
    let node = node();
    let scene = scene_on(&node, "full-queue");
    // Two shards and several lanes: a queue of one overflows inside a request that is answered with 200.
    let mut indexer = scene.start(&["elasticsearch.shards=2"]);
    scene.write(&history("burst", 3_000));
    scene.wait_finished(&mut indexer);
    indexer.wait_metric("thalweg_records_total", "delivered", 3_000.0);
    let overloaded = indexer.metric("thalweg_overloaded_total", "documents");
    assert!(overloaded > 0.0, "no item met a full queue: this shows nothing");
    assert_eq!(indexer.metric("thalweg_breaker_opened_total", "documents"), 0.0, "load is no outage");
    scene.finish(indexer);
    assert_eq!(scene.assert_correct().reasons.len(), 0);
}

#[test]
fn of_a_request_that_is_too_large_the_culprit_alone_is_a_dead_letter() {
    let node = node();
    let scene = scene_on(&node, "too-large");
    let content = "x".repeat(BODY_BYTES_MAX / 20);
    // Together far too large, each by itself small enough; but for one.
    let mut records: Vec<_> = (0..200)
        .map(|number| created(&format!("m-{number}"), &format!("c-{}", number % 5), &content))
        .collect();
    records[77] = created("m-77", "c-2", &"y".repeat(BODY_BYTES_MAX));
    let at = scene.write(&records);
    let mut indexer = scene.start(&[]);
    scene.wait_finished(&mut indexer);
    indexer.wait_metric("thalweg_dead_letters_total", "", 1.0);
    scene.finish(indexer);
    let found = scene.assert_correct_but_refused(&[at[77]]);
    assert_eq!(found.visible, 199);
}

/// Runs once more from the record at `offset` on, as after a crash before the commit.
fn replay(scene: &mut Scene, offset: u64) -> Instance {
    scene.group = format!("{}-from-{offset}", scene.group);
    topics::commit(&scene.brokers, &scene.topic, &scene.group, (0, offset));
    let mut indexer = scene.start(&[]);
    scene.wait_finished(&mut indexer);
    indexer
}

#[test]
fn events_replayed_after_a_delete_and_a_restart_change_nothing() {
    let node = node();
    let mut scene = scene_on(&node, "replayed");
    let records = [
        created("gone", "c", "first"),
        updated("gone", "c", "second"),
        deleted("gone", "c"),
        updated("gone", "c", "after its delete"),
        created("kept", "c", "first"),
        updated("kept", "c", "second"),
    ];
    let records = records.map(|record| record.to(0));
    scene.write(&records);
    let indexer = scene.start(&[]);
    scene.finish(indexer);
    scene.assert_correct();
    for (restart, offsets) in [(false, vec![1]), (true, vec![0, 1, 3])] {
        if restart {
            // Elasticsearch's own memory of deletes does not survive this.
            node.stop().unwrap();
            node.start().unwrap();
        }
        for offset in offsets {
            let indexer = replay(&mut scene, offset);
            let left = (records.len() as u64 - offset) as f64;
            indexer.wait_metric("thalweg_records_read_total", "", left);
            assert_eq!(indexer.metric("thalweg_records_total", "dead_lettered"), 0.0, "from {offset}");
            assert_eq!(indexer.stop().code, 0);
            let found = scene.assert_correct();
            assert_eq!((found.visible, found.tombstones, found.reasons.len()), (1, 1, 0), "from {offset}");
        }
    }
}
