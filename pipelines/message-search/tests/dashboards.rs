//! Dashboards and alert rules against a real Prometheus that scrapes a flow under faults: every query answers, and asks
//! for nothing that no flow shows.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

mod indexer;
mod queries;

use std::collections::BTreeSet;
use std::process::Command;

use indexer::Scene;
use indexer::records::{history, keyed};
use queries::asked::Asked;
use queries::dashboards::{self, EXACTLY_ONCE};
use queries::prometheus::Prometheus;
use queries::{Query, path, text, unknown};
use serde::Deserialize;
use serde_json::Value;
use thalweg_testbed::instance::until;
use thalweg_testbed::process::run;
use thalweg_testbed::proxy::{HttpProxy, Rule};
use thalweg_testbed::recipe;

/// Metrics that stay at 0 in the run here. All others must have been above: else a panel was tested with nothing in it.
const QUIET: [&str; 5] = [
    "thalweg_commits_failed_total",
    // For a moment, which a scrape may miss.
    "thalweg_keys_held",
    "thalweg_records_given_up_total",
    "thalweg_records_without_event_id_total",
    "thalweg_worker_restarts_total",
];

fn alert(name: &str) -> String {
    format!("ALERTS{{alertname=\"{name}\"}}")
}

/// Everything that the dashboards show something of happens once, and Prometheus has seen it.
fn run_under_faults(scene: &Scene, prometheus: &Prometheus, target: &str) {
    let proxy = HttpProxy::before_shared_elasticsearch().unwrap();
    let node = format!("elasticsearch.nodes=[\"{}\"]", proxy.url());
    let listen = format!("engine.admin_listen={target}");
    // The group is to notice soon that a member was killed.
    let group = ["kafka.group.session_timeout_ms=3000", "kafka.group.heartbeat_interval_ms=500"];
    let settings = [&node, &listen, group[0], group[1]];
    let seen = |what: &str| until(&format!("Prometheus sees {what}"), || prometheus.holds(what));

    seen(&alert("ThalwegFlowDown"));
    let mut indexer = scene.start(&settings);
    seen("up == 1");
    for round in 1..=3 {
        scene.write(&history(&format!("calm{round}"), 2_000));
        scene.wait_finished(&mut indexer);
        seen(&format!("sum(thalweg_records_read_total) == {}", round * 2_000));
    }
    seen("sum(thalweg_commits_total) > 2");

    // Long enough in the air for a scrape to see it.
    let slow = proxy.add(Rule::delay(3_000));
    scene.write(&history("slow", 10));
    seen("sum(thalweg_flights) > 0");
    slow.off();
    scene.wait_finished(&mut indexer);

    for count in [3, 6] {
        scene.write(&[1, 2, 3].map(|number| keyed(&format!("poisoned-{number}"), "{\"type\": ")));
        seen(&format!("sum(thalweg_dead_letters_total) == {count}"));
    }
    seen(&alert("ThalwegDeadLetters"));

    // It is killed while a key is parked: what was finished behind the parked record is passed over afterwards.
    let refusal = proxy.add(Rule::items(429, |id| id.contains("/parked-c3/")));
    let records = history("parked", 500);
    let parked = records.iter().filter(|record| record.key.as_deref() == Some(b"parked-c3")).count();
    scene.write(&records);
    seen("thalweg_keys_parked{sink=\"documents\"} == 1 and thalweg_parked_longest_seconds > 1");
    seen(&format!("sum(thalweg_records_open) == {parked} and min(thalweg_commit_age_seconds) > 1"));
    indexer.kill();
    let mut indexer = scene.start(&settings);
    seen(&alert("ThalwegRestoreTooLong"));
    refusal.off();
    scene.wait_finished(&mut indexer);

    proxy.refuse();
    scene.write(&history("away", 2_000));
    seen("thalweg_breaker_open{sink=\"documents\"} == 1");
    seen(&alert("ThalwegBreakerOpen"));
    proxy.heal();
    scene.wait_finished(&mut indexer);
    seen("sum(thalweg_lag_records) == 0");
    scene.finish(indexer);
}

#[test]
fn every_query_answers_while_a_flow_runs_under_faults() {
    let scene = Scene::new("dashboards", 3);
    let target = format!("127.0.0.1:{}", recipe::free_ports(1).unwrap()[0]);
    let prometheus = Prometheus::scraping(&target);
    run_under_faults(&scene, &prometheus, &target);

    let rules = prometheus.rules("thalweg");
    assert!(rules.len() > 8, "{} rules", rules.len());
    let dashboards: Vec<_> =
        dashboards::all().into_iter().filter(|dashboard| dashboard.file != EXACTLY_ONCE).collect();
    let asked = Asked::by(&rules, &dashboards);
    assert!(asked.queries.len() > 80, "only {} queries", asked.queries.len());
    let wrong = asked.wrong(&prometheus, &QUIET);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `alerts.yml`, as far as it is read here.
#[derive(Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Alert>,
}

#[derive(Deserialize)]
struct Alert {
    alert: String,
    expr: String,
    labels: Value,
    annotations: Value,
}

fn alerts() -> Vec<Alert> {
    let rules: Rules = serde_saphyr::from_str(&text("alerts.yml")).unwrap();
    rules.groups.into_iter().flat_map(|group| group.rules).collect()
}

#[test]
fn queries_ask_for_nothing_that_no_flow_shows() {
    let mut all: Vec<Query> = alerts()
        .into_iter()
        .map(|alert| Query { place: format!("alerts.yml: {}", alert.alert), text: alert.expr })
        .collect();
    for dashboard in dashboards::all() {
        all.extend(dashboard.queries());
        all.extend(dashboard.variables().into_iter().map(|(query, _)| query));
    }
    let wrong: Vec<_> = all.iter().flat_map(unknown).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn promtool_accepts_configuration_and_rules_and_the_rules_pass_their_tests() {
    let promtool = recipe::prometheus::program("promtool").unwrap();
    for arguments in [
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts_test.yml"],
    ] {
        run(Command::new(&promtool).current_dir(path("")).args(arguments))
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn every_alert_says_what_to_do_and_is_tested_to_fire_and_not_to() {
    let tests: Value = serde_saphyr::from_str(&text("alerts_test.yml")).unwrap();
    for Alert { alert: name, labels, annotations, .. } in alerts() {
        assert!(["critical", "warning"].contains(&labels["severity"].as_str().unwrap()), "{name}");
        for annotation in ["summary", "description"] {
            assert!(
                annotations[annotation].as_str().is_some_and(|text| text.len() > 20),
                "{name}: {annotation}"
            );
        }
        let cases = tests["tests"].as_array().unwrap().iter().flat_map(|test| {
            test["promql_expr_test"].as_array().unwrap().iter().filter(|case| {
                case["expr"]
                    .as_str()
                    .unwrap()
                    .contains(&format!("alertname=\"{name}\", alertstate=\"firing\""))
            })
        });
        let fires: BTreeSet<bool> =
            cases.map(|case| !case["exp_samples"].as_array().unwrap().is_empty()).collect();
        assert_eq!(fires, [false, true].into(), "{name}: whether it fires, in its tests");
    }
}

#[test]
fn every_panel_says_what_it_shows_and_what_to_do() {
    let mut boards = BTreeSet::new();
    for dashboard in dashboards::all() {
        assert!(boards.insert(dashboard.json["uid"].to_string()), "{}: its uid is taken", dashboard.file);
        let mut ids = BTreeSet::new();
        for panel in dashboard.panels() {
            let place = format!("{}: {}", dashboard.file, panel["title"]);
            assert!(panel["title"].as_str().is_some_and(|title| !title.is_empty()), "{place}");
            assert!(
                panel["description"].as_str().is_some_and(|text| text.len() > 40),
                "{place}: description"
            );
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{place}: unit");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{place}");
            assert!(ids.insert(panel["id"].to_string()), "{place}: its id is taken");
        }
    }
    assert_eq!(boards.len(), 6);
}
