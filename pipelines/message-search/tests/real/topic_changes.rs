//! The topic grows or is made anew: the flow stops, and the documented procedure goes on without losing writes.

use serde_json::json;

use crate::histories::{created, until_drained, updated, write};
use crate::indexer::Indexer;
use crate::scene::Scene;
use crate::topic::Event;
use crate::{index, topic};

#[test]
fn added_partitions_stop_the_flow_until_the_generation_is_raised() {
    let scene = Scene::new("grown", 1);
    write(&scene, 0, &[created("m-0", "x"), created("m-1", "first")]);
    let indexer = Indexer::start(&scene, &["--set", "engine.topic_check_interval_ms=1000"]);
    until_drained(&scene, 1);
    topic::grow(&scene.name, 2);
    let ended = indexer.ended();
    assert_eq!(ended.code, Some(1), "{}", ended.errors);
    assert!(ended.errors.contains("the number of partitions was 1 and is 2"), "{}", ended.errors);
    assert!(ended.errors.contains("raise-generation"), "{}", ended.errors);

    // More for the old partition than is read in a moment, the update last; then the key moves to the new one.
    let mut unread: Vec<_> = (0..30_000).map(|number| created(&format!("u-{number}"), "unread")).collect();
    unread.push(updated("m-1", "last of the old", &json!({"old": true})));
    write(&scene, 10, &unread);
    let moved = updated("m-1", "first of the new", &json!({}));
    topic::write(
        &scene.name,
        &[Event { partition: 1, key: Some("c-1"), value: Some(&moved), event_id: "e-9" }],
    );
    let refused = Indexer::start(&scene, &[]).ended();
    assert_eq!(refused.code, Some(1), "it must not start before: {}", refused.errors);
    let raised = Indexer::start(&scene, &["raise-generation"]).ended();
    assert_eq!(raised.code, Some(0), "{}", raised.errors);
    assert!(raised.output.contains("generation 2"), "{}", raised.output);
    let again = Indexer::start(&scene, &["raise-generation"]).ended();
    assert!(again.output.contains("nothing to do"), "{again:?}");

    let indexer = Indexer::start(&scene, &[]);
    until_drained(&scene, 2);
    let found = index::documents(&scene.name);
    assert_eq!(found[1].0, "t-1/c-1/m-1");
    assert_eq!(found[1].1["content"], "first of the new");
    assert_eq!(found[1].1["metadata"]["old"], true, "the old partition was read first");
    assert_eq!(indexer.stopped().code, Some(0));
}

#[test]
fn an_added_partition_is_not_read_even_when_the_group_hands_it_out_first() {
    let scene = Scene::new("handed-out", 1);
    write(&scene, 0, &[created("m-1", "first")]);
    let blind = ["--set", "engine.topic_check_interval_ms=600000"];
    let curious = ["--set", "kafka.librdkafka.\"topic.metadata.refresh.interval.ms\"=500"];
    let indexer = Indexer::start(&scene, &[blind, curious].concat());
    until_drained(&scene, 1);
    topic::grow(&scene.name, 2);
    let value = created("m-2", "in the new partition");
    topic::write(
        &scene.name,
        &[Event { partition: 1, key: Some("c-1"), value: Some(&value), event_id: "e-9" }],
    );
    let ended = indexer.ended();
    assert_eq!(ended.code, Some(1), "{}", ended.errors);
    assert!(ended.errors.contains("raise-generation"), "{}", ended.errors);
    assert_eq!(index::documents(&scene.name).len(), 1, "{}", ended.output);
}

#[test]
fn a_generation_is_not_raised_while_an_instance_runs() {
    let scene = Scene::new("still-running", 2);
    write(&scene, 0, &[created("m-1", "x")]);
    let session = ["--set", "kafka.group.session_timeout_ms=6000"];
    let blind = ["--set", "engine.topic_check_interval_ms=600000"];
    let running = Indexer::start(&scene, &[&blind[..], &session].concat());
    until_drained(&scene, 2);
    topic::grow(&scene.name, 3);
    let refused = Indexer::start(&scene, &[&["raise-generation"], &session[..]].concat()).ended();
    assert_eq!(refused.code, Some(1), "{}", refused.errors);
    assert!(refused.errors.contains("the group has other members"), "{}", refused.errors);
    drop(running);
}

#[test]
fn a_topic_made_anew_is_noticed_and_goes_on_with_a_new_generation() {
    let scene = Scene::new("anew", 1);
    write(&scene, 0, &[created("m-0", "x"), created("m-1", "of the old topic")]);
    let indexer = Indexer::start(&scene, &[]);
    until_drained(&scene, 1);
    assert_eq!(indexer.stopped().code, Some(0));
    topic::delete(&[&scene.name]);
    crate::scene::until("the topic can be made again", || {
        std::panic::catch_unwind(|| topic::create(&scene.name, 1)).ok()
    });
    write(&scene, 5, &[created("m-1", "of the new topic")]);
    let refused = Indexer::start(&scene, &[]).ended();
    assert_eq!(refused.code, Some(1), "{}", refused.errors);
    assert!(refused.errors.contains("the topic's id was"), "{}", refused.errors);
    let raised = Indexer::start(&scene, &["raise-generation"]).ended();
    assert_eq!(raised.code, Some(0), "{}", raised.errors);
    let indexer = Indexer::start(&scene, &[]);
    until_drained(&scene, 1);
    assert_eq!(index::documents(&scene.name)[1].1["content"], "of the new topic");
    assert_eq!(indexer.stopped().code, Some(0));
}

#[test]
fn a_partition_that_ends_with_the_marker_of_a_transaction_is_read_to_its_end() {
    let scene = Scene::new("marker", 1);
    let value = created("m-1", "written in a transaction");
    let event = Event { partition: 0, key: Some("c-1"), value: Some(&value), event_id: "e-1" };
    topic::write_in_transaction(&scene.name, &[event]);
    let indexer = Indexer::start(&scene, &["--set", "engine.topic_check_interval_ms=1000"]);
    let admin = indexer.admin();
    let told = |lines: &str, name: &str| {
        lines
            .lines()
            .find(|line| line.starts_with(&format!("{name}{{")))?
            .rsplit_once(' ')?
            .1
            .parse::<f64>()
            .ok()
    };
    crate::scene::until("the record is finished, and nothing is left", || {
        let lines = reqwest::blocking::get(format!("{admin}/metrics")).ok()?.text().ok()?;
        let finished = told(&lines, "thalweg_finished_offset") == Some(1.0);
        (finished && told(&lines, "thalweg_lag_records") == Some(0.0)).then_some(())
    });
    topic::grow(&scene.name, 2);
    assert_eq!(indexer.ended().code, Some(1));
    // It would wait for the record that the marker is not.
    let raised = Indexer::start(&scene, &["raise-generation"]).ended();
    assert_eq!(raised.code, Some(0), "{}", raised.errors);
    assert!(raised.output.contains("generation 2"), "{}", raised.output);
}
