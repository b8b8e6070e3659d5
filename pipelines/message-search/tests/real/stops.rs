//! Ending: drained, stuck, at once.

use std::time::Duration;

use rustix::process::Signal;
use thalweg_testbed::proxy::HttpProxy;

use crate::histories::{created, until_drained, write};
use crate::indexer::Indexer;
use crate::scene::{Scene, until};
use crate::{index, topic};

#[test]
fn an_interrupt_drains_commits_and_sums_up() {
    let scene = Scene::new("interrupt", 1);
    let values: Vec<_> = (0..20_000).map(|number| created(&format!("m-{}", number % 500), "x")).collect();
    write(&scene, 0, &values);
    let indexer = Indexer::start(&scene, &[]);
    indexer.says("first effect is durable");
    indexer.signal(Signal::INT);
    let ended = indexer.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let count = |what: &str| -> u64 {
        let line = ended.output.lines().find(|line| line.trim_end().ends_with(what)).unwrap();
        line.split_whitespace().find_map(|word| word.parse().ok()).unwrap()
    };
    let read = count("records read");
    let outcomes = ["delivered", "superseded", "duplicate", "dead_lettered", "filtered"];
    assert_eq!(outcomes.map(count).iter().sum::<u64>(), read, "{}", ended.output);
    assert_eq!(count("unfinished"), 0);
    // All of what was read is committed: the next instance begins right there.
    let next = Indexer::start(&scene, &[]);
    until_drained(&scene, 1);
    let next = next.stopped();
    assert!(next.output.contains(&format!("{} records read", 20_000 - read)), "{read} {}", next.output);
    assert_eq!(index::documents(&scene.name).len(), 500);
}

/// An indexer whose only record can't be delivered.
fn stuck(scene: &Scene, proxy: &HttpProxy, deadline_ms: &str) -> Indexer {
    let node = format!("elasticsearch.nodes=[\"{}\"]", proxy.url());
    let deadline = format!("engine.stop_deadline_ms={deadline_ms}");
    let indexer = Indexer::start(scene, &["--set", &node, "--set", &deadline]);
    indexer.says("partitions assigned");
    proxy.refuse();
    write(scene, 0, &[created("m-1", "x")]);
    let admin = indexer.admin();
    until("an open record", || {
        let metrics = reqwest::blocking::get(format!("{admin}/metrics")).ok()?.text().ok()?;
        metrics.contains("thalweg_records_open{flow=\"message-search\",worker=\"0\"} 1").then_some(())
    });
    indexer
}

#[test]
fn a_drain_that_can_not_finish_says_what_is_stuck_and_loses_nothing() {
    let scene = Scene::new("stuck", 1);
    let proxy = HttpProxy::before_shared_elasticsearch().unwrap();
    let indexer = stuck(&scene, &proxy, "500");
    indexer.says("the sink is down, its breaker is open");
    let ended = indexer.stopped();
    assert_eq!(ended.code, Some(3), "{}", ended.errors);
    assert!(ended.errors.contains(&format!("{}/0 offset 0", scene.name)), "{}", ended.errors);
    assert!(ended.output.contains("1 unfinished"), "{}", ended.output);
    assert!(topic::read_all(&scene.dead_letter_topic(), 1).is_empty());
    let next = Indexer::start(&scene, &[]);
    until_drained(&scene, 1);
    assert_eq!(next.stopped().code, Some(0));
    assert_eq!(index::documents(&scene.name).len(), 1);
}

#[test]
fn a_second_signal_stops_at_once() {
    let scene = Scene::new("second-signal", 1);
    let proxy = HttpProxy::before_shared_elasticsearch().unwrap();
    let indexer = stuck(&scene, &proxy, "60000");
    indexer.signal(Signal::TERM);
    indexer.says("a second signal stops at once");
    indexer.signal(Signal::TERM);
    let ended = indexer.ended_within(Duration::from_secs(5));
    assert_eq!(ended.code, Some(3), "{}", ended.errors);
}
