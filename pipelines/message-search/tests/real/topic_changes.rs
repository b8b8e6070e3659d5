//! The topic grows or is made anew: the flow stops, and the documented procedure goes on without losing writes.

use serde_json::json;
use thalweg_testbed::instance::until;

use crate::histories::{created, until_drained, updated, write};
use crate::scene::Scene;
use crate::topic::Event;
use crate::{index, indexer, topic};

#[test]
fn added_partitions_stop_the_flow_until_the_generation_is_raised() {
    let scene = Scene::new("grown", 1);
    write(&scene, 0, &[created("m-0", "x"), created("m-1", "first")]);
    let indexer = indexer::start(&scene, &["--set", "engine.topic_check_interval_ms=1000"]);
    until_drained(&scene, 1);
    topic::grow(&scene.name, 2);
    let ended = indexer.wait_end();
    assert_eq!(ended.code, 1, "{}", ended.log);
    assert!(ended.log.contains("the number of partitions was 1 and is 2"), "{}", ended.log);
    assert!(ended.log.contains("raise-generation"), "{}", ended.log);

    // More for the old partition than is read in a moment, the update last; then the key moves to the new one.
    let mut unread: Vec<_> = (0..30_000).map(|number| created(&format!("u-{number}"), "unread")).collect();
    unread.push(updated("m-1", "last of the old", &json!({"old": true})));
    write(&scene, 10, &unread);
    let moved = updated("m-1", "first of the new", &json!({}));
    topic::write(
        &scene.name,
        &[Event { partition: 1, key: Some("c-1"), value: Some(&moved), event_id: "e-9" }],
    );
    let refused = indexer::start(&scene, &[]).wait_end();
    assert_eq!(refused.code, 1, "it must not start before: {}", refused.log);
    let raised = indexer::start(&scene, &["raise-generation"]).wait_end();
    assert_eq!(raised.code, 0, "{}", raised.log);
    assert!(raised.output.contains("generation 2"), "{}", raised.output);
    let again = indexer::start(&scene, &["raise-generation"]).wait_end();
    assert!(again.output.contains("nothing to do"), "{again:?}");

    let indexer = indexer::start(&scene, &[]);
    until_drained(&scene, 2);
    let found = index::documents(&scene.name);
    assert_eq!(found[1].0, "t-1/c-1/m-1");
    assert_eq!(found[1].1["content"], "first of the new");
    assert_eq!(found[1].1["metadata"]["old"], true, "the old partition was read first");
    assert_eq!(indexer.stop().code, 0);
}

#[test]
fn an_added_partition_is_not_read_even_when_the_group_hands_it_out_first() {
    let scene = Scene::new("handed-out", 1);
    write(&scene, 0, &[created("m-1", "first")]);
    let blind = ["--set", "engine.topic_check_interval_ms=600000"];
    let curious = ["--set", "kafka.librdkafka.\"topic.metadata.refresh.interval.ms\"=500"];
    let indexer = indexer::start(&scene, &[blind, curious].concat());
    until_drained(&scene, 1);
    topic::grow(&scene.name, 2);
    let value = created("m-2", "in the new partition");
    topic::write(
        &scene.name,
        &[Event { partition: 1, key: Some("c-1"), value: Some(&value), event_id: "e-9" }],
    );
    let ended = indexer.wait_end();
    assert_eq!(ended.code, 1, "{}", ended.log);
    assert!(ended.log.contains("raise-generation"), "{}", ended.log);
    assert_eq!(index::documents(&scene.name).len(), 1, "{}", ended.output);
}

#[test]
fn a_generation_is_not_raised_while_an_instance_runs() {
    let scene = Scene::new("still-running", 2);
    write(&scene, 0, &[created("m-1", "x")]);
    let session = ["--set", "kafka.group.session_timeout_ms=6000"];
    let blind = ["--set", "engine.topic_check_interval_ms=600000"];
    let running = indexer::start(&scene, &[&blind[..], &session].concat());
    until_drained(&scene, 2);
    topic::grow(&scene.name, 3);
    let refused = indexer::start(&scene, &[&["raise-generation"], &session[..]].concat()).wait_end();
    assert_eq!(refused.code, 1, "{}", refused.log);
    assert!(refused.log.contains("the group has other members"), "{}", refused.log);
    drop(running);
}

#[test]
fn a_topic_made_anew_is_noticed_and_goes_on_with_a_new_generation() {
    let scene = Scene::new("anew", 1);
    write(&scene, 0, &[created("m-0", "x"), created("m-1", "of the old topic")]);
    let indexer = indexer::start(&scene, &[]);
    until_drained(&scene, 1);
    assert_eq!(indexer.stop().code, 0);
    topic::delete(&[&scene.name]);
    until("the topic can be made again", || {
        std::panic::catch_unwind(|| topic::create(&scene.name, 1)).is_ok()
    });
    write(&scene, 5, &[created("m-1", "of the new topic")]);
    let refused = indexer::start(&scene, &[]).wait_end();
    assert_eq!(refused.code, 1, "{}", refused.log);
    assert!(refused.log.contains("the topic's id was"), "{}", refused.log);
    let raised = indexer::start(&scene, &["raise-generation"]).wait_end();
    assert_eq!(raised.code, 0, "{}", raised.log);
    let indexer = indexer::start(&scene, &[]);
    until_drained(&scene, 1);
    assert_eq!(index::documents(&scene.name)[1].1["content"], "of the new topic");
    assert_eq!(indexer.stop().code, 0);
}

#[test]
fn a_partition_that_ends_with_the_marker_of_a_transaction_is_read_to_its_end() {
    let scene = Scene::new("marker", 1);
    let value = created("m-1", "written in a transaction");
    let event = Event { partition: 0, key: Some("c-1"), value: Some(&value), event_id: "e-1" };
    topic::write_in_transaction(&scene.name, &[event]);
    let indexer = indexer::start(&scene, &["--set", "engine.topic_check_interval_ms=1000"]);
    let told = |lines: &str, name: &str| {
        lines
            .lines()
            .find(|line| line.starts_with(&format!("{name}{{")))?
            .rsplit_once(' ')?
            .1
            .parse::<f64>()
            .ok()
    };
    until("the record is finished, and nothing is left", || {
        let (_, lines) = indexer.get("/metrics").unwrap_or_default();
        let finished = told(&lines, "thalweg_finished_offset") == Some(1.0);
        finished && told(&lines, "thalweg_lag_records") == Some(0.0)
    });
    topic::grow(&scene.name, 2);
    assert_eq!(indexer.wait_end().code, 1);
    // It would wait for the record that the marker is not.
    let raised = indexer::start(&scene, &["raise-generation"]).wait_end();
    assert_eq!(raised.code, 0, "{}", raised.log);
    assert!(raised.output.contains("generation 2"), "{}", raised.output);
}
