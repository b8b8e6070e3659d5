//! Ending: drained, stuck, at once.

use std::time::Duration;

use rustix::process::Signal;
use thalweg_testbed::instance::{Instance, until};
use thalweg_testbed::proxy::HttpProxy;

use crate::histories::{created, until_drained, write};
use crate::scene::Scene;
use crate::{index, indexer, topic};

#[test]
fn an_interrupt_drains_commits_and_sums_up() {
    let scene = Scene::new("interrupt", 1);
    let values: Vec<_> = (0..20_000).map(|number| created(&format!("m-{}", number % 500), "x")).collect();
    write(&scene, 0, &values);
    let mut indexer = indexer::start(&scene, &[]);
    indexer.wait_log("first effect is durable");
    indexer.signal(Signal::INT);
    let ended = indexer.wait_end();
    assert_eq!(ended.code, 0, "{}", ended.log);
    let count = |what: &str| -> u64 {
        let line = ended.output.lines().find(|line| line.trim_end().ends_with(what)).unwrap();
        line.split_whitespace().find_map(|word| word.parse().ok()).unwrap()
    };
    let read = count("records read");
    let outcomes = ["delivered", "superseded", "duplicate", "dead_lettered", "filtered"];
    assert_eq!(outcomes.map(count).iter().sum::<u64>(), read, "{}", ended.output);
    assert_eq!(count("unfinished"), 0);
    // All of what was read is committed: the next instance begins right there.
    let next = indexer::start(&scene, &[]);
    until_drained(&scene, 1);
    let next = next.stop();
    assert!(next.output.contains(&format!("{} records read", 20_000 - read)), "{read} {}", next.output);
    assert_eq!(index::documents(&scene.name).len(), 500);
}

/// An indexer whose only record can't be delivered.
fn stuck(scene: &Scene, proxy: &HttpProxy, deadline_ms: &str) -> Instance {
    let node = format!("elasticsearch.nodes=[\"{}\"]", proxy.url());
    let deadline = format!("engine.stop_deadline_ms={deadline_ms}");
    let mut indexer = indexer::start(scene, &["--set", &node, "--set", &deadline]);
    indexer.wait_log("partitions assigned");
    proxy.refuse();
    write(scene, 0, &[created("m-1", "x")]);
    until("an open record", || indexer.metric("thalweg_records_open", "worker=\"0\"") == 1.0);
    indexer
}

#[test]
fn a_drain_that_can_not_finish_says_what_is_stuck_and_loses_nothing() {
    let scene = Scene::new("stuck", 1);
    let proxy = HttpProxy::before_shared_elasticsearch().unwrap();
    let mut indexer = stuck(&scene, &proxy, "500");
    indexer.wait_log("the sink is down, its breaker is open");
    let ended = indexer.stop();
    assert_eq!(ended.code, 3, "{}", ended.log);
    assert!(ended.log.contains(&format!("{}/0 offset 0", scene.name)), "{}", ended.log);
    assert!(ended.output.contains("1 unfinished"), "{}", ended.output);
    assert!(topic::read_all(&scene.dead_letter_topic(), 1).is_empty());
    let next = indexer::start(&scene, &[]);
    until_drained(&scene, 1);
    assert_eq!(next.stop().code, 0);
    assert_eq!(index::documents(&scene.name).len(), 1);
}

#[test]
fn a_second_signal_stops_at_once() {
    let scene = Scene::new("second-signal", 1);
    let proxy = HttpProxy::before_shared_elasticsearch().unwrap();
    let mut indexer = stuck(&scene, &proxy, "60000");
    indexer.signal(Signal::TERM);
    indexer.wait_log("a second signal stops at once");
    indexer.signal(Signal::TERM);
    let ended = indexer.wait_end_within(Duration::from_secs(5));
    assert_eq!(ended.code, 3, "{}", ended.log);
}
