//! Elasticsearch refuses, loses answers, is slow, is away, or is blocked: everything arrives, and nothing that could be
//! indexed becomes a dead letter.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

mod indexer;

use std::time::{Duration, Instant};

use indexer::records::{created, history, updated};
use indexer::{Scene, index};
use thalweg_testbed::instance::{Instance, until};
use thalweg_testbed::proxy::{HttpProxy, Rule};

/// A scene, a proxy before its Elasticsearch, and the indexer that goes through it.
fn day(what: &str, settings: &[&str]) -> (Scene, HttpProxy, Instance) {
    let scene = Scene::new(what, 2);
    let proxy = HttpProxy::before_shared_elasticsearch().unwrap();
    let indexer = start_behind(&scene, &proxy, settings);
    (scene, proxy, indexer)
}

fn start_behind(scene: &Scene, proxy: &HttpProxy, settings: &[&str]) -> Instance {
    let node = format!("elasticsearch.nodes=[\"{}\"]", proxy.url());
    scene.start(&[&[node.as_str()], settings].concat())
}

/// Everything arrives and nothing is a dead letter.
fn ends_well(scene: &Scene, indexer: Instance) {
    scene.finish(indexer);
    let found = scene.assert_correct();
    assert_eq!(found.reasons.len(), 0, "{:?}", found.reasons);
    assert!(found.visible > 0);
}

fn requests(indexer: &Instance) -> f64 {
    indexer.metric("thalweg_requests_total", "sink=\"documents\"")
}

#[test]
fn an_item_refused_for_load_or_state_holds_up_its_own_key_only() {
    let (scene, proxy, mut indexer) = day("items", &[]);
    let mut written = 0;
    for status in [429, 403, 404, 503] {
        let stubborn = format!("/{status}-c3/");
        let rule = proxy.add(Rule::items(status, move |id| id.contains(&stubborn)));
        let records = history(&status.to_string(), 200);
        let key = format!("{status}-c3");
        let waiting = records.iter().filter(|record| record.key.as_deref() == Some(key.as_bytes())).count();
        scene.write(&records);
        let expected = (written + records.len() - waiting) as f64;
        until(&format!("{status}: all others arrive"), || {
            indexer.metric("thalweg_records_total", "outcome=") >= expected && rule.hits() > 1
        });
        assert_eq!(indexer.metric("thalweg_records_total", "outcome="), expected, "{status}");
        indexer.wait_metric("thalweg_keys_parked", "sink=\"documents\"", 1.0);
        rule.off();
        scene.wait_finished(&mut indexer);
        written += records.len();
    }
    ends_well(&scene, indexer);
}

#[test]
fn a_request_refused_for_load_or_state_is_sent_again() {
    let (scene, proxy, mut indexer) = day("requests", &[]);
    for status in [429, 401, 403, 404, 500, 502, 503] {
        let rule = proxy.add(Rule::answer(status).times(3));
        scene.write(&history(&status.to_string(), 100));
        scene.wait_finished(&mut indexer);
        assert_eq!(rule.hits(), 3, "{status}");
    }
    // Reads too: a new instance remembers no document.
    assert_eq!(indexer.stop().code, 0);
    let mut indexer = start_behind(&scene, &proxy, &[]);
    for status in [429, 401, 503] {
        let rule = proxy.add(Rule::answer(status).on("_mget").times(2));
        scene.write(&[updated(&format!("{status}-0"), &format!("{status}-c0"), "read again")]);
        scene.wait_finished(&mut indexer);
        assert_eq!(rule.hits(), 2, "{status}");
    }
    ends_well(&scene, indexer);
}

#[test]
fn of_a_request_refused_for_its_content_the_culprit_alone_is_a_dead_letter() {
    let (scene, proxy, mut indexer) = day("culprit", &[]);
    let mut culprits = Vec::new();
    for status in [400, 413] {
        // So that they queue up and leave together.
        let hold = proxy.add(Rule::delay(300).times(4));
        let culprit = format!("{status}-57");
        let name = format!("/{culprit}");
        let rule = proxy.add(Rule::answer_to(status, move |id| id.ends_with(&name)));
        let mut records = history(&status.to_string(), 200);
        // The culprit has no other record: an update would find no document.
        records.retain(|record| {
            let value = String::from_utf8_lossy(record.value.as_deref().unwrap());
            value.contains("message.created") || !value.contains(&format!("\"{culprit}\""))
        });
        let at = scene.write(&records);
        scene.wait_finished(&mut indexer);
        assert!(rule.hits() > 1, "{status}: it stood alone at once, nothing was divided");
        assert!(hold.hits() > 0);
        rule.off();
        let is_culprit = |value: &[u8]| String::from_utf8_lossy(value).contains(&format!("\"{culprit}\""));
        let found = records.iter().position(|record| is_culprit(record.value.as_deref().unwrap()));
        culprits.push(at[found.unwrap()]);
    }
    indexer.wait_metric("thalweg_dead_letters_total", "document_refused", 2.0);
    assert_eq!(indexer.metric("thalweg_breaker_opened_total", "documents"), 0.0, "the sink is not down");
    let ended = indexer.stop();
    assert_eq!(ended.code, 0, "{}", ended.log);
    scene.assert_correct_but_refused(&culprits);
}

#[test]
fn answers_lost_after_the_request_was_done_change_nothing() {
    let (scene, proxy, mut indexer) = day("lost-answers", &[]);
    for round in 0..3 {
        let bulks = proxy.add(Rule::drop_answer().times(2));
        let reads = proxy.add(Rule::drop_answer().on("_mget").times(1));
        scene.write(&history(&format!("r{round}"), 150));
        scene.wait_finished(&mut indexer);
        assert_eq!(bulks.hits(), 2);
        reads.off();
    }
    ends_well(&scene, indexer);
}

#[test]
fn a_slow_elasticsearch_is_waited_for_and_asked_again() {
    let (scene, proxy, mut indexer) = day("slow", &["elasticsearch.request_timeout_ms=500"]);
    let slow = proxy.add(Rule::delay(200).on(""));
    scene.write(&history("slow", 300));
    scene.wait_finished(&mut indexer);
    assert!(slow.hits() > 0);
    slow.off();
    // Longer than an answer is waited for: the request is done nevertheless, later than we know.
    let slower = proxy.add(Rule::delay(1_500).times(4));
    scene.write(&history("slower", 300));
    scene.wait_finished(&mut indexer);
    assert_eq!(slower.hits(), 4);
    ends_well(&scene, indexer);
}

#[test]
fn while_it_is_away_the_breaker_is_open_and_the_group_is_kept() {
    // The outage is three times as long as the group waits for a silent member.
    let group = ["kafka.group.session_timeout_ms=3000", "kafka.group.heartbeat_interval_ms=500"];
    let (scene, proxy, mut indexer) = day("away", &group);
    scene.write(&history("before", 200));
    scene.wait_finished(&mut indexer);
    let rebalances = indexer.metric("thalweg_rebalances_total", "");
    proxy.refuse();
    scene.write(&history("while", 2_000));
    until("the breaker opens", || !indexer.is_ready());
    let (begun, asked) = (Instant::now(), requests(&indexer));
    while begun.elapsed() < Duration::from_secs(10) {
        assert!(!indexer.is_ready(), "ready without Elasticsearch");
        assert_eq!(
            indexer.metric("thalweg_rebalances_total", ""),
            rebalances,
            "it lost its place in the group"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    let probes = requests(&indexer) - asked;
    assert!((1.0..=20.0).contains(&probes), "{probes} requests in 10 s");
    proxy.heal();
    scene.wait_finished(&mut indexer);
    until("it says that it is ready again", || indexer.is_ready());
    assert!(indexer.metric("thalweg_breaker_opened_total", "documents") >= 1.0);
    ends_well(&scene, indexer);
}

#[test]
fn a_blocked_index_is_waited_for() {
    let (scene, _proxy, mut indexer) = day("blocked", &[]);
    scene.write(&history("before", 100));
    scene.wait_finished(&mut indexer);
    let settings = format!("{}/_settings", index::behind(&scene.elasticsearch, &scene.alias));
    let block = |on: bool| {
        let body = format!("{{\"index.blocks.write\": {on}}}");
        let (status, answer) = index::ask(&scene.elasticsearch, "PUT", &settings, &body);
        assert_eq!(status, 200, "{answer}");
    };
    block(true);
    scene.write(&[created("blocked-0", "c", "x"), created("blocked-1", "d", "y")]);
    until("the breaker opens", || !indexer.is_ready());
    assert_eq!(index::visible(&scene.elasticsearch, &scene.alias, "blocked-0"), None);
    block(false);
    scene.wait_finished(&mut indexer);
    assert!(index::visible(&scene.elasticsearch, &scene.alias, "blocked-0").is_some());
    ends_well(&scene, indexer);
}
