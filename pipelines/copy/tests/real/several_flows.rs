//! `copy-and-audit`: an exactly-once and an at-least-once flow in one process.

use std::collections::BTreeMap;

use thalweg_testbed::instance::{Ended, Instance, until};

use crate::checker::{check, read_committed};
use crate::scene::Scene;
use crate::topics;
use crate::written::{Written, records};

fn start(scene: &Scene, name: &str, settings: &[&str]) -> Instance {
    let settings = [settings, &["engine.workers=1", "audit.engine.workers=2"]].concat();
    let mut command = scene.command_with_audit(name, &settings);
    command.args(["--report", "json"]);
    scene.spawn(name, command)
}

/// The report of each flow; fails unless each is there once and adds up.
fn reports(ended: &Ended) -> BTreeMap<String, serde_json::Value> {
    let lines = ended.output.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let reports: BTreeMap<_, _> =
        lines.map(|report| (report["flow"].as_str().unwrap().to_owned(), report)).collect();
    assert_eq!(reports.keys().collect::<Vec<_>>(), ["audit", "copy"], "{}", ended.output);
    assert!(reports.values().all(|report| report["adds_up"] == true), "{}", ended.output);
    reports
}

/// What the page says of the flow that the query names.
fn status(instance: &Instance, query: &str) -> serde_json::Value {
    let mut found = None;
    until("the page answers", || {
        found = instance.get(&format!("/api/status{query}")).filter(|(ready, _)| *ready);
        found.is_some()
    });
    serde_json::from_str(&found.unwrap().1).unwrap()
}

fn audited(instance: &Instance) -> u64 {
    status(instance, "?flow=audit")["records"]["filtered"].as_u64().unwrap()
}

/// Waits until both flows have done everything, the audit all of it in this instance; answers how many counts there are.
fn wait_done(scene: &Scene, instance: &mut Instance) -> u64 {
    scene.wait_finished(std::slice::from_mut(instance));
    let counts = read_committed(scene, &scene.counts()).values().map(Vec::len).sum::<usize>() as u64;
    until("every count is audited", || audited(instance) == counts);
    counts
}

#[test]
fn flows_of_both_guarantees_run_stop_and_add_up_side_by_side() {
    let scene = Scene::new("both", 3);
    let mut all = records(0, 3_000);
    all.insert(1_000, Written { key: None, value: "no key".into(), id: None });
    topics::write(&scene.brokers, &scene.source, &all);
    let mut instance = start(&scene, "one", &[]);
    let counts = wait_done(&scene, &mut instance);
    until("both are ready", || instance.get("/readyz").is_some_and(|(ready, _)| ready));
    let metrics = instance.get("/metrics").unwrap().1;
    for worker in ["flow=\"copy\",worker=\"0\"", "flow=\"audit\",worker=\"1\""] {
        assert!(metrics.contains(&format!("thalweg_records_read_total{{{worker}}}")), "{metrics}");
    }
    assert_eq!(status(&instance, "")["about"]["flow"], "copy");
    let audit = status(&instance, "?flow=audit");
    assert_eq!(
        (&audit["about"]["flow"], &audit["about"]["group"]),
        (&"audit".into(), &scene.audit_group().into())
    );
    assert_eq!(audit["flows"].as_array().map(Vec::len), Some(2));
    let nowhere = instance.get("/api/status?flow=nowhere");
    assert!(nowhere.is_some_and(|(found, text)| !found && text.contains("no flow")));

    let ended = instance.stop();
    assert_eq!(ended.code, 0, "{}", ended.log);
    let reports = reports(&ended);
    assert_eq!(reports["copy"]["records"].as_u64(), Some(3_001), "{}", ended.output);
    assert_eq!(reports["copy"]["dead_lettered"].as_u64(), Some(1), "{}", ended.output);
    assert_eq!(reports["audit"]["filtered"].as_u64(), Some(counts), "{}", ended.output);
    all.remove(1_000);
    check(&scene, &all);
}

#[test]
fn both_go_on_where_they_were_after_a_kill() {
    let scene = Scene::new("both-killed", 3);
    let all = records(0, 6_000);
    topics::write(&scene.brokers, &scene.source, &all[..3_000]);
    let mut first = start(&scene, "one", &[]);
    until("the audit is at work", || audited(&first) > 0);
    first.kill();
    topics::write(&scene.brokers, &scene.source, &all[3_000..]);
    let mut second = start(&scene, "one", &[]);
    scene.wait_finished(std::slice::from_mut(&mut second));
    check(&scene, &all);
    until("the audit goes on", || audited(&second) > 0);
    let ended = second.stop();
    assert_eq!(ended.code, 0, "{}", ended.log);
    reports(&ended);
}

#[test]
fn one_flow_that_fails_ends_the_program_and_the_other_one_is_drained() {
    let scene = Scene::new("one-fails", 1);
    topics::write(&scene.brokers, &scene.source, &records(0, 100));
    let mut instance = start(&scene, "one", &["engine.topic_check_interval_ms=1000"]);
    wait_done(&scene, &mut instance);
    topics::delete(&scene.brokers, &[&scene.changelog()]);
    let ended = instance.wait_end();
    assert_eq!(ended.code, 1, "{}", ended.log);
    let said = format!("copy-and-audit: copy: the changelog {}", scene.changelog());
    assert!(ended.log.contains(&said), "it names the flow: {}", ended.log);
    let reports = reports(&ended);
    assert_eq!(reports["audit"]["in_flight"].as_u64(), Some(0), "{}", ended.output);
}

#[test]
fn what_is_asked_before_the_start_is_asked_of_both() {
    let scene = Scene::new("both-asked", 2);
    let ask = |question: &[&str], settings: &[&str]| {
        let done = scene.command_with_audit("one", settings).args(question).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (done.status.code(), text(done.stdout), text(done.stderr))
    };
    let (code, said, log) = ask(&["--check"], &[]);
    assert_eq!(code, Some(0), "{log}");
    let topics = [("copy", &scene.source), ("audit", &scene.counts())];
    for (line, (flow, topic)) in said.lines().zip(topics) {
        assert!(line.starts_with(&format!("{flow}: ok: topic {topic} with 2 partitions")), "{said}");
    }
    assert_eq!(said.lines().count(), 2, "{said}");
    let (code, said, _) = ask(&["--print-settings"], &["audit.engine.workers=3"]);
    assert!(code == Some(0) && said.contains("[audit.engine]") && said.contains("workers = 3"), "{said}");
    let (code, said, log) = ask(&["raise-generation"], &[]);
    assert!(code == Some(0) && said.starts_with("nothing to do"), "{said}{log}");
    let (code, _, log) = ask(&["--check"], &[&format!("audit.group={}", scene.group())]);
    assert!(code == Some(2) && log.contains("audit.group") && log.contains("the flow copy has"), "{log}");
    let (code, _, log) = ask(&["--check"], &["audit.engine.commit_interval_ms=1"]);
    assert!(code == Some(2) && log.contains("audit.engine.commit_interval_ms = 1"), "{log}");
}
