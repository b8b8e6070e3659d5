//! What can't be is refused, and says what to do.

use std::collections::BTreeMap;

use crate::checker::read_committed;
use crate::scene::Scene;
use crate::topics;
use crate::written::{Written, records};

/// Starts an instance that can't run; what it says.
fn refused(scene: &Scene) -> String {
    let ended = scene.start("one", &[]).wait_end();
    assert_eq!(ended.code, 1, "{}", ended.log);
    ended.log
}

#[test]
fn a_changelog_of_another_width_is_refused() {
    let scene = Scene::new("width", 3);
    topics::create(&scene.brokers, &scene.changelog(), 2, &[("cleanup.policy", "compact")]);
    let said = refused(&scene);
    assert!(said.contains(&scene.changelog()) && said.contains("2 partitions, and the source 3"), "{said}");
}

#[test]
fn a_changelog_that_forgets_is_refused() {
    let scene = Scene::new("forgets", 1);
    topics::create(&scene.brokers, &scene.changelog(), 1, &[("cleanup.policy", "compact,delete")]);
    let said = refused(&scene);
    assert!(said.contains("cleanup.policy") && said.contains("must be \"compact\""), "{said}");
}

#[test]
fn a_topic_that_is_not_there_is_named() {
    let scene = Scene::new("missing", 1);
    topics::delete(&scene.brokers, &[&scene.counts()]);
    let said = refused(&scene);
    assert!(said.contains(&scene.counts()) && said.contains("does not exist"), "{said}");
}

#[test]
fn a_changelog_that_is_removed_ends_the_flow_and_it_does_not_begin_without_its_state() {
    let scene = Scene::new("removed", 1);
    topics::write(&scene.brokers, &scene.source, &records(0, 10));
    let mut instances = [scene.start("one", &["engine.topic_check_interval_ms=1000"])];
    scene.wait_finished(&mut instances);
    topics::delete(&scene.brokers, &[&scene.changelog()]);
    let [instance] = instances;
    let ended = instance.wait_end();
    assert_eq!(ended.code, 1, "{}", ended.log);
    assert!(ended.log.contains(&scene.changelog()) && ended.log.contains("is not there"), "{}", ended.log);
    let said = refused(&scene);
    assert!(said.contains("it does not exist, but the group has read some of"), "{said}");
}

#[test]
fn a_foreign_record_in_the_changelog_ends_the_flow() {
    let scene = Scene::new("foreign", 1);
    topics::create(&scene.brokers, &scene.changelog(), 1, &[("cleanup.policy", "compact")]);
    let foreign = Written { key: Some("no name".into()), value: "no state".into(), id: None };
    topics::write(&scene.brokers, &scene.changelog(), &[foreign]);
    let said = refused(&scene);
    assert!(said.contains(&format!("the state of {}/0", scene.source)), "{said}");
}

#[test]
fn what_can_not_be_counted_becomes_a_dead_letter_and_is_shown() {
    let scene = Scene::new("letters", 1);
    let mut all = records(0, 10);
    all.insert(5, Written { key: None, value: "no key".into(), id: None });
    topics::write(&scene.brokers, &scene.source, &all);
    let mut instances = [scene.start("one", &[])];
    scene.wait_finished(&mut instances);
    let metric = |name: &str| instances[0].metric(name, "");
    thalweg_testbed::instance::until("the letter is counted", || metric("thalweg_dead_letters_total") == 1.0);
    thalweg_testbed::instance::until("rows are shown", || metric("thalweg_state_rows") == 10.0);
    let copies: BTreeMap<_, _> = read_committed(&scene, &scene.copies());
    assert_eq!(copies.len(), 10);
    assert!(instances[0].get("/readyz").is_some_and(|(ready, _)| ready));
    let [instance] = instances;
    let ended = instance.stop();
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert!(ended.output.contains("1 dead_lettered"), "{}", ended.output);
}
