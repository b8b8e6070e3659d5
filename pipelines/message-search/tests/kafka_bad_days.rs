//! Brokers that go, topics that refuse, records that retention took, members that come, go, crash and freeze.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

mod indexer;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indexer::records::{created, history, keyed};
use indexer::{Scene, index, topics};
use rustix::process::Signal;
use thalweg_testbed::instance::{Instance, PATIENCE, until};
use thalweg_testbed::private::Kafka;
use thalweg_testbed::process::wait_until;
use thalweg_testbed::proxy::{HttpProxy, Rule};

/// Silent members are missed soon.
const SHORT_SESSION: [&str; 2] =
    ["kafka.group.session_timeout_ms=2000", "kafka.group.heartbeat_interval_ms=500"];

#[test]
fn a_broker_that_stops_crashes_and_comes_back_loses_nothing() {
    let kafka = Kafka::start(&[]).unwrap();
    let scene = Scene::on(&kafka.bootstrap(), &thalweg_testbed::servers::elasticsearch(), "broker", 2);
    let mut indexer = scene.start(&[]);
    for (round, crash) in [false, true].into_iter().enumerate() {
        scene.write(&history(&format!("r{round}"), 2_000));
        let before = indexer.metric("thalweg_records_total", "delivered");
        until("records in flight", || indexer.metric("thalweg_records_total", "delivered") > before);
        if crash {
            kafka.kill().unwrap()
        } else {
            kafka.stop().unwrap()
        }
        until("the indexer notices", || indexer.log().matches("brokers are down").count() > round);
        assert_eq!(indexer.ended(), None, "{}", indexer.log());
        kafka.start().unwrap();
        scene.wait_finished(&mut indexer);
    }
    // One that can't be processed: its letter's way is open again too.
    scene.write(&[keyed("c", "no event")]);
    scene.finish(indexer);
    assert_eq!(scene.assert_correct().reasons.len(), 1);
}

#[test]
fn while_the_dead_letter_topic_refuses_only_the_key_waits() {
    let scene = Scene::new("letters", 1);
    let mut indexer = scene.start(&[]);
    topics::delete(&scene.brokers, &[&scene.dead_letters()]);
    let records = [
        created("m-0", "bad", "before"),
        keyed("bad", "no event"),
        created("m-1", "bad", "behind"),
        created("m-2", "good", "beside"),
        created("m-3", "good", "beside"),
    ];
    scene.write(&records);
    let waits = |indexer: &Instance| {
        let delivered = indexer.metric("thalweg_records_total", "delivered");
        let held = indexer.metric("thalweg_keys_held", "");
        (delivered, held) == (3.0, 1.0)
    };
    until("the others arrive", || waits(&indexer));
    // There again, and too small for the smallest letter.
    topics::create(&scene.brokers, &scene.dead_letters(), 1, &[("max.message.bytes", "60")]);
    let refused =
        || indexer.log().contains("dead_letter") || indexer.metric("thalweg_retries_total", "dead") > 3.0;
    until("the letter is refused", refused);
    assert!(waits(&indexer), "{}", indexer.log());
    assert!(scene.unfinished().unwrap() > 0, "a record without its letter counts as finished");
    assert_eq!(index::visible(&scene.elasticsearch, &scene.alias, "m-1"), None, "it overtook the letter");
    topics::set(&scene.brokers, &scene.dead_letters(), "max.message.bytes", "2000000");
    scene.wait_finished(&mut indexer);
    scene.finish(indexer);
    let found = scene.assert_correct();
    assert_eq!((found.visible, found.reasons.len()), (4, 1));
}

#[test]
fn offsets_lost_to_retention_stop_the_flow_unless_they_are_accepted() {
    let scene = Scene::new("retention", 1);
    let message = |number: usize| created(&format!("m-{number}"), "c", "x");
    scene.write(&(0..100).map(message).collect::<Vec<_>>());
    scene.finish(scene.start(&[]));
    scene.write(&(100..200).map(message).collect::<Vec<_>>());
    topics::cut(&scene.brokers, &scene.topic, 0, 150);
    let ended = scene.launch().run(Duration::from_secs(30));
    assert_eq!(ended.code, 1, "{}", ended.log);
    let lost = format!("offsets 100 to 149 of {}/0 were removed", scene.topic);
    assert!(ended.log.contains(&lost), "{}", ended.log);
    assert!(ended.log.contains("accept_lost_offsets"), "it says what to do: {}", ended.log);
    assert_eq!(index::count(&scene.elasticsearch, &scene.alias), 100, "it went on nevertheless");
    let indexer = scene.start(&["engine.accept_lost_offsets=true"]);
    scene.finish(indexer);
    assert_eq!(index::count(&scene.elasticsearch, &scene.alias), 150);
}

/// A scene whose topic was made anew while the indexer runs, with a record that an old one of the same topic outranks
/// as long as the generation is the same.
fn made_anew(what: &str, settings: &[&str]) -> (Scene, Instance) {
    let scene = Scene::new(what, 1);
    scene.write(&[created("m-0", "c", "old"), created("m-1", "c", "old")]);
    let mut indexer = scene.start(settings);
    scene.wait_finished(&mut indexer);
    topics::delete(&scene.brokers, &[&scene.topic]);
    topics::create(&scene.brokers, &scene.topic, 1, &[]);
    scene.write(&[created("m-1", "c", "new")]);
    (scene, indexer)
}

fn goes_on_with_a_new_generation(scene: &Scene) {
    let refused = scene.launch().run(Duration::from_secs(30));
    assert_eq!(refused.code, 1, "{}", refused.log);
    let raised = scene.launch().arguments(&["raise-generation"]).run(PATIENCE);
    assert_eq!(raised.code, 0, "{}", raised.log);
    scene.finish(scene.start(&[]));
    let shown = |id| index::visible(&scene.elasticsearch, &scene.alias, id).unwrap()["content"].clone();
    assert_eq!([shown("m-0"), shown("m-1")], ["old", "new"]);
}

#[test]
fn a_topic_made_anew_under_a_running_flow_stops_it() {
    let (scene, indexer) = made_anew("anew", &[]);
    let ended = indexer.wait_end();
    assert_eq!(ended.code, 1, "{}", ended.log);
    assert!(ended.log.contains("raise-generation"), "{}", ended.log);
    goes_on_with_a_new_generation(&scene);
}

#[test]
fn what_was_read_of_a_topic_made_anew_before_anybody_noticed_is_read_again() {
    let (scene, mut indexer) = made_anew("unnoticed", &["engine.topic_check_interval_ms=3600000"]);
    // Read, and committed, in the old generation: without effect, since the old record has the higher version.
    scene.wait_finished(&mut indexer);
    let ended = indexer.stop();
    assert_eq!(ended.code, 0, "{}", ended.log);
    goes_on_with_a_new_generation(&scene);
}

/// Writes records for as long as `body` runs; answers how many.
fn under_load(scene: &Scene, body: impl FnOnce()) -> usize {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut written = 0;
            while !done.load(Ordering::Relaxed) {
                written += scene.write(&history(&format!("load{written}"), 60)).len();
                std::thread::sleep(Duration::from_millis(200));
            }
            written
        });
        // Also when it fails: the load must end.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
        done.store(true, Ordering::Relaxed);
        let written = load.join().unwrap();
        outcome.unwrap_or_else(|cause| std::panic::resume_unwind(cause));
        written
    })
}

const COMING_AND_GOING: Duration = Duration::from_secs(12);

/// A member that goes without a word is waited for until its session ends, after 45 seconds.
const BACK_WITHIN: Duration = Duration::from_secs(30);

/// A guest comes and goes each second. Every other one does so at once, whatever the group is at then; those in between
/// stay until partitions have come to them, and the next one comes when they are back. Without the latter, a guest may take
/// the place of the one before for as long as the test lasts, and the member that stays notices nothing.
fn members_come_and_go(protocol: &str) {
    let scene = Scene::new(&format!("come-and-go-{protocol}"), 4);
    let protocol = format!("kafka.group.protocol={protocol}");
    let mut staying = scene.start(&[&protocol]);
    let (begun, mut guests) = (Instant::now(), 0);
    let written = under_load(&scene, || {
        while begun.elapsed() < COMING_AND_GOING || guests < 4 {
            let guest = scene.start(&[&protocol]);
            let had = || guest.metric("thalweg_partitions_assigned", "");
            if guests % 2 == 1 {
                until("a guest has partitions", || had() > 0.0);
            }
            let had = had();
            let ended = guest.stop();
            assert_eq!(ended.code, 0, "with {had} partitions: {}", ended.log);
            if guests % 2 == 1 {
                let are_back = || staying.metric("thalweg_partitions_assigned", "") == 4.0;
                assert!(wait_until(BACK_WITHIN, are_back), "partitions of a guest that left are not back");
            }
            guests += 1;
        }
    });
    scene.wait_finished(&mut staying);
    assert!(staying.metric("thalweg_rebalances_total", "") > 2.0);
    scene.finish(staying);
    let found = scene.assert_correct();
    assert_eq!((found.records, found.reasons.len()), (written as u64, 0));
}

#[test]
fn members_come_and_go_every_second() {
    members_come_and_go("classic");
}

#[test]
fn members_come_and_go_every_second_and_the_broker_assigns() {
    members_come_and_go("consumer");
}

#[test]
fn of_two_with_one_instance_id_the_first_ends_and_says_why() {
    let scene = Scene::new("one-name", 2);
    let named = ["kafka.group.instance_id=twin"];
    scene.write(&history("a", 200));
    let mut first = scene.start(&named);
    until("the first is at work", || first.metric("thalweg_partitions_assigned", "") == 2.0);
    let mut second = scene.start(&named);
    until("the first has ended", || first.ended().is_some());
    assert_eq!(first.ended(), Some(1), "{}", first.log());
    assert!(first.log().contains("kafka.group.instance_id must differ"), "{}", first.log());
    scene.write(&history("b", 200));
    scene.wait_finished(&mut second);
    scene.finish(second);
    scene.assert_correct();
}

#[test]
fn killed_and_frozen_instances_lose_and_harm_nothing() {
    let scene = Scene::new("crashes", 4);
    let proxy = HttpProxy::before_shared_elasticsearch().unwrap();
    // So that something is in flight whenever a blow falls.
    proxy.add(Rule::delay(80));
    let node = format!("elasticsearch.nodes=[\"{}\"]", proxy.url());
    let start = |name: &str| {
        let instance = format!("kafka.group.instance_id={name}");
        scene.start(&[&SHORT_SESSION[..], &[&node, &instance]].concat())
    };
    let mut instances = VecDeque::from([("a", start("a")), ("b", start("b"))]);
    let written = under_load(&scene, || {
        for pause_ms in [900, 350, 1_200, 600] {
            std::thread::sleep(Duration::from_millis(pause_ms));
            let (name, mut victim) = instances.pop_front().unwrap();
            victim.kill();
            instances.push_back((name, start(name)));
        }
        // Longer than the group waits: the others get its partitions, and it wakes up as a zombie in mid-flight.
        let (frozen, other) = (&instances[0].1, &instances[1].1);
        until("something in flight", || frozen.metric("thalweg_flights", "documents") > 0.0);
        frozen.signal(Signal::STOP);
        until("the other has everything", || other.metric("thalweg_partitions_assigned", "") == 4.0);
        frozen.signal(Signal::CONT);
        until("the frozen one is back", || frozen.metric("thalweg_partitions_assigned", "") > 0.0);
    });
    scene.wait_finished(&mut instances[0].1);
    for (name, instance) in instances {
        let ended = instance.stop();
        assert_eq!(ended.code, 0, "{name}: {}", ended.log);
    }
    let found = scene.assert_correct();
    assert_eq!((found.records, found.reasons.len()), (written as u64, 0));
}
