//! Counters as they are shown: by every instance, once they are committed.

use std::time::Instant;

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};
use thalweg_testbed::instance::{PATIENCE, until};

use crate::client::User;
use crate::scene::Scene;
use crate::topics;

/// Writes straight to the topic of what is shown, in the open transaction if there is one; `None`: a tombstone.
pub(crate) fn write(
    producer: &BaseProducer,
    topic: &str,
    partition: Option<i32>,
    key: &str,
    value: Option<&str>,
) {
    let mut record: BaseRecord<'_, str, str> = BaseRecord::to(topic).key(key);
    (record.partition, record.payload) = (partition, value);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(PATIENCE).unwrap();
}

pub(crate) fn producer(scene: &Scene) -> BaseProducer {
    topics::config(&scene.brokers).create().unwrap()
}

fn in_transaction(scene: &Scene) -> BaseProducer {
    let mut config = topics::config(&scene.brokers);
    let producer: BaseProducer = config.set("transactional.id", scene.view()).create().unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    producer
}

pub(crate) fn standing(name: &str, count: u64) -> String {
    json!({"name": name, "count": count}).to_string()
}

/// The names on a page, and where the next one begins.
fn names(page: &Value) -> (Vec<&str>, Option<&str>) {
    let names = page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap());
    (names.collect(), page["next"].as_str())
}

#[test]
fn who_has_raised_a_counter_sees_it_at_every_instance() {
    let scene = Scene::new("shown", 3);
    let mut instances = [scene.start_ready(&[]), scene.start_ready(&[])];
    let users = instances.each_mut().map(|instance| User::new("ann", &instance.address("")));
    users[0].get("/counters/never").assert_problem(404, "no-such-counter");
    for number in 0..50_u64 {
        let counter = format!("c{number:02}");
        let [writes, reads] = if number % 2 == 0 { [0, 1] } else { [1, 0] };
        assert_eq!(users[writes].raise(&counter, 1 + number, None).body.as_u64(), Some(1 + number));
        let shown = users[reads].get(&format!("/counters/{counter}"));
        assert_eq!((shown.status, &shown.body), (200, &json!({"name": counter, "count": 1 + number})));
        assert_eq!(shown.header("content-type"), Some("application/json"));
        // What was there before is seen as it is now by who asks for that.
        users[writes].raise(&counter, 100, None);
        let shown = users[reads].get_all(&format!("/counters/{counter}"));
        assert_eq!(shown.body["count"].as_u64(), Some(101 + number), "{shown:?}");
    }
    assert_eq!(users[0].plain("GET", "/counters").send().unwrap().status().as_u16(), 401);
    for instance in instances {
        assert_eq!(instance.metric("thalweg_view_records", ""), 50.0);
        assert_eq!(instance.metric("thalweg_view_ready", ""), 1.0);
        assert!(instance.metric("thalweg_view_bytes", "") > 1_000.0);
        assert_eq!(instance.stop().code, 0);
    }
}

#[test]
fn pages_lead_through_all_counters_in_the_order_of_their_names() {
    let scene = Scene::new("pages", 2);
    let mut instance = scene.start_ready(&["views.page_items_max=4"]);
    let producer = producer(&scene);
    for number in 0..10 {
        write(
            &producer,
            &scene.view(),
            None,
            &format!("c {number}"),
            Some(&standing(&format!("c {number}"), number)),
        );
    }
    let ann = User::new("ann", &instance.address(""));
    let page = ann.get_all("/counters");
    assert_eq!(names(&page.body), (vec!["c 0", "c 1", "c 2", "c 3"], Some("c 3")));
    assert_eq!(names(&ann.get("/counters?after=c%203&limit=2").body), (vec!["c 4", "c 5"], Some("c 5")));
    assert_eq!(names(&ann.get("/counters?after=c+7&limit=50").body), (vec!["c 8", "c 9"], None));
    assert_eq!(names(&ann.get("/counters?at_least=8").body), (vec!["c 8", "c 9"], None));
    assert_eq!(names(&ann.get("/counters?after=x").body), (vec![], None));
    ann.get("/counters?limit=0").assert_problem(400, "bad-request");
    ann.get("/counters?limit=x").assert_problem(400, "malformed-query");
    assert_eq!(instance.stop().code, 0);
}

#[test]
fn what_is_not_committed_is_not_shown_and_waited_for() {
    let scene = Scene::new("uncommitted", 1);
    let mut instance = scene.start_ready(&["views.wait_ms=500"]);
    let ann = User::new("ann", &instance.address(""));
    let (producer, view) = (in_transaction(&scene), scene.view());
    write(&producer, &view, None, "a", Some(&standing("a", 1)));
    // It can't be told whether "a" will be there.
    let unsure = ann.get("/counters/a");
    unsure.assert_problem(503, "view-behind");
    assert_eq!(unsure.header("retry-after"), Some("1"));
    ann.get_all("/counters").assert_problem(503, "view-behind");
    producer.abort_transaction(PATIENCE).unwrap();
    ann.get("/counters/a").assert_problem(404, "no-such-counter");
    producer.begin_transaction().unwrap();
    write(&producer, &view, None, "b", Some(&standing("b", 2)));
    producer.commit_transaction(PATIENCE).unwrap();
    assert_eq!(ann.get("/counters/b").body["count"], 2);
    producer.begin_transaction().unwrap();
    write(&producer, &view, None, "b", None);
    assert_eq!(ann.get("/counters/b").body["count"], 2, "a tombstone that may not come to be");
    producer.commit_transaction(PATIENCE).unwrap();
    ann.get_all("/counters/b").assert_problem(404, "no-such-counter");
    assert_eq!(instance.metric("thalweg_view_records", ""), 0.0);
    assert_eq!(instance.stop().code, 0);
}

#[test]
fn nothing_is_shown_before_all_that_was_there_was_read() {
    let scene = Scene::new("reads-all", 2);
    topics::create_with(&scene.brokers, &scene.view(), 2, &[("cleanup.policy", "compact")]);
    let view = scene.view();
    let plain = producer(&scene);
    for number in 0..1_000 {
        let name = format!("c{number:03}");
        let record = standing(&name, number);
        plain.send(BaseRecord::to(&view).key(&name).payload(&record)).map_err(|(error, _)| error).unwrap();
    }
    plain.flush(PATIENCE).unwrap();
    // Holds up what is behind it, as an instance does that has just crashed.
    let open = in_transaction(&scene);
    write(&open, &view, Some(0), "open", Some(&standing("open", 1)));
    let mut instance = scene.start(&[]);
    let ann = User::new("ann", &instance.address(""));
    instance.wait_log("admin page: ");
    until("only the transaction is left", || {
        instance.get("/readyz").is_some_and(|(ready, said)| {
            assert!(!ready, "{said}");
            said.contains(&view) && said.contains("1 offsets are left")
        })
    });
    let early = ann.get("/counters/c000");
    early.assert_problem(503, "view-not-ready");
    assert_eq!(early.header("retry-after"), Some("1"));
    assert_eq!(instance.metric("thalweg_view_ready", ""), 0.0);
    open.commit_transaction(PATIENCE).unwrap();
    instance.wait_ready();
    assert_eq!(ann.get("/counters/open").status, 200);
    assert_eq!(ann.get("/counters/c999").body["count"], 999);
    assert_eq!(instance.metric("thalweg_view_records", ""), 1_001.0);
    assert_eq!(instance.stop().code, 0);
}

#[test]
fn what_is_written_is_shown_within_a_moment() {
    let scene = Scene::new("follows", 2);
    let mut instance = scene.start_ready(&[]);
    let (ann, producer) = (User::new("ann", &instance.address("")), producer(&scene));
    let mut took_ms = Vec::new();
    for number in 1..=100 {
        write(&producer, &scene.view(), None, "c", Some(&standing("c", number)));
        let begun = Instant::now();
        until("it is shown", || ann.get("/counters/c").body["count"] == number);
        took_ms.push(begun.elapsed().as_millis());
    }
    took_ms.sort_unstable();
    eprintln!("shown after {} ms at the median, {} ms at most", took_ms[50], took_ms[99]);
    assert_eq!(instance.stop().code, 0);
}
