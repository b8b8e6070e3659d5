//! Views whose topic is not what it should be, is too large, grows, or is compacted meanwhile.

use rdkafka::producer::{BaseRecord, Producer};
use thalweg_testbed::instance::{PATIENCE, until};
use thalweg_testbed::proxy::{TcpProxy, Traffic};

use crate::client::User;
use crate::scene::Scene;
use crate::topics;
use crate::views::{producer, standing, write};

#[test]
fn a_value_that_can_not_be_read_is_counted_named_once_and_others_go_on() {
    let scene = Scene::new("undecodable", 1);
    let mut instance = scene.start_ready(&[]);
    let (ann, producer, view) = (User::new("ann", &instance.address("")), producer(&scene), scene.view());
    write(&producer, &view, None, "a", Some(&standing("a", 1)));
    write(&producer, &view, None, "b", Some(&standing("b", 1)));
    write(&producer, &view, None, "b", Some("{\"name\":"));
    write(&producer, &view, None, "c", Some("[]"));
    write(&producer, &view, None, "d", Some(&standing("d", 1)));
    assert_eq!(ann.get("/counters/d").status, 200);
    assert_eq!(ann.get("/counters/a").status, 200);
    ann.get("/counters/b").assert_problem(404, "no-such-counter");
    ann.get("/counters/c").assert_problem(404, "no-such-counter");
    assert_eq!(instance.metric("thalweg_view_undecodable_total", &view), 2.0);
    let log = instance.log();
    let warnings: Vec<_> =
        log.lines().filter(|line| line.contains("a record of a view can't be read")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("offset=2"), "{warnings:?}");
    // It is shown again once it is what it should be.
    write(&producer, &view, None, "b", Some(&standing("b", 2)));
    assert_eq!(ann.get("/counters/b").body["count"], 2);
    assert_eq!(instance.stop().code, 0);
}

#[test]
fn a_view_that_needs_too_much_memory_is_shown_no_more_and_commands_go_on() {
    let scene = Scene::new("too-large", 1);
    let mut instance = scene.start_ready(&["views.bytes_max=100000"]);
    let (ann, producer, view) = (User::new("ann", &instance.address("")), producer(&scene), scene.view());
    assert_eq!(ann.raise("c", 1, None).status, 200);
    assert_eq!(ann.get("/counters/c").status, 200);
    let long = standing(&"x".repeat(60_000), 1);
    write(&producer, &view, None, "long", Some(&long));
    instance.wait_log("views.bytes_max");
    let refused = ann.get("/counters/c");
    refused.assert_problem(503, "view-too-large");
    assert!(refused.body["detail"].as_str().unwrap().contains("100000 bytes"), "{refused:?}");
    assert_eq!(ann.raise("c", 1, None).body.as_u64(), Some(2), "commands go on");
    let (ready, said) = instance.get("/readyz").unwrap();
    assert!(!ready && said.contains("raise views.bytes_max"), "{said}");
    assert_eq!(instance.metric("thalweg_view_records", ""), 0.0);
    assert_eq!(instance.metric("thalweg_view_ready", ""), 0.0);
    assert_eq!(instance.stop().code, 0);
    // Nor does it start to show half of it.
    let mut instance = scene.start(&["views.bytes_max=100000"]);
    instance.wait_log("views.bytes_max");
    User::new("ann", &instance.address("")).get("/counters").assert_problem(503, "view-too-large");
    assert_eq!(instance.stop().code, 0);
}

#[test]
fn new_partitions_are_noticed() {
    let scene = Scene::new("grows", 1);
    let mut instance = scene.start_ready(&[]);
    let (ann, producer, view) = (User::new("ann", &instance.address("")), producer(&scene), scene.view());
    write(&producer, &view, Some(0), "a", Some(&standing("a", 1)));
    topics::widen(&scene.brokers, &view, 3);
    instance.wait_log("new partitions");
    let producer = crate::views::producer(&scene);
    until("the producer knows them too", || {
        let record = BaseRecord::to(&view).key("a").payload("{\"name\":\"a\",\"count\":2}").partition(2);
        producer.send(record).is_ok() && producer.flush(PATIENCE).is_ok()
    });
    until("what is in a new partition is shown", || ann.get_all("/counters/a").body["count"] == 2);
    write(&producer, &view, Some(1), "b", Some(&standing("b", 1)));
    assert_eq!(ann.get("/counters/b").status, 200);
    assert_eq!(instance.stop().code, 0);
    // Whichever partition is read first, the later record counts.
    let mut instance = scene.start_ready(&[]);
    assert_eq!(User::new("ann", &instance.address("")).get("/counters/a").body["count"], 2);
    assert_eq!(instance.stop().code, 0);
}

#[test]
fn what_compaction_has_left_is_read() {
    let scene = Scene::new("compacted", 1);
    let often = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "100"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("max.compaction.lag.ms", "100"),
        ("delete.retention.ms", "0"),
    ];
    topics::create_with(&scene.brokers, &scene.view(), 1, &often);
    let (producer, view) = (producer(&scene), scene.view());
    // The last record closes the segments before it, which are cleaned then.
    let (mut round, mut left) = (0, u64::MAX);
    until("records are cleaned away", || {
        round += 1;
        for name in ["a", "b", "c"] {
            write(&producer, &view, None, name, Some(&standing(name, round)));
        }
        write(&producer, &view, None, "b", None);
        left = topics::count(&scene.brokers, &view);
        left < 4 * round
    });
    write(&producer, &view, None, "d", None);
    let mut instance = scene.start_ready(&[]);
    let ann = User::new("ann", &instance.address(""));
    let listed = ann.get("/counters");
    assert_eq!(
        listed.body["items"],
        serde_json::json!([
            {"name": "a", "count": round},
            {"name": "c", "count": round},
        ])
    );
    assert_eq!(instance.metric("thalweg_view_lag_records", ""), 0.0);
    assert_eq!(instance.stop().code, 0);
}

#[test]
fn a_topic_that_loses_things_is_refused() {
    let scene = Scene::new("not-compacted", 1);
    topics::create_with(&scene.brokers, &scene.view(), 1, &[("cleanup.policy", "delete")]);
    let ended = scene.start(&[]).wait_end();
    assert_eq!(ended.code, 1);
    let log = ended.log;
    assert!(log.contains(&scene.view()) && log.contains("must be \"compact\""), "{log}");
}

#[test]
fn a_view_says_what_is_wrong_while_brokers_are_away_and_goes_on_afterwards() {
    let proxy = TcpProxy::before_shared_kafka().unwrap();
    let scene = Scene::new("view-away", 1);
    let brokers = format!("kafka.brokers={}", proxy.address());
    let mut instance = scene.start_ready(&[&brokers, "views.wait_ms=500"]);
    let (ann, producer, view) = (User::new("ann", &instance.address("")), producer(&scene), scene.view());
    write(&producer, &view, None, "a", Some(&standing("a", 1)));
    assert_eq!(ann.get("/counters/a").status, 200);
    proxy.set(Traffic::Refuse);
    instance.wait_log("the topic of a view can't be looked at");
    assert!(instance.log().contains(&proxy.address()), "{}", instance.log());
    assert_eq!(ann.get("/counters/a").status, 200, "what is known is shown");
    write(&producer, &view, None, "b", Some(&standing("b", 1)));
    ann.get("/counters/b").assert_problem(503, "view-behind");
    proxy.set(Traffic::Forward { delay_ms: 0 });
    until("it is shown", || ann.get("/counters/b").status == 200);
    assert_eq!(instance.stop().code, 0);
}

#[test]
fn a_topic_that_was_made_anew_is_shown_no_more() {
    let scene = Scene::new("anew", 1);
    let mut instance = scene.start_ready(&[]);
    let (ann, view) = (User::new("ann", &instance.address("")), scene.view());
    assert_eq!(ann.raise("c", 1, None).status, 200);
    assert_eq!(ann.get("/counters/c").status, 200);
    topics::delete(&scene.brokers, &[&view]);
    let compacted = [("cleanup.policy", "compact")];
    until("it can be made anew", || topics::try_create(&scene.brokers, &view, &compacted));
    instance.wait_log("made anew");
    ann.get("/counters/c").assert_problem(503, "view-failed");
}
