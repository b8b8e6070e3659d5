//! What keeps it from starting: a clear word and an exit code, within seconds.

use std::time::Duration;

use thalweg_testbed::instance::Ended;

use crate::index;
use crate::indexer::{command, end_of, start};
use crate::scene::Scene;

/// Settings are read and judged at once.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Whoever does not answer is given this long by default.
const SOON: Duration = Duration::from_secs(20);

fn refused(args: &[&str], environment: &[(&str, &str)]) -> Ended {
    let mut command = command(args);
    command.envs(environment.iter().copied());
    end_of(command, AT_ONCE)
}

#[test]
fn settings_that_can_not_be_are_named_before_anything_connects() {
    for (setting, said) in [
        ("kafka.broker=x:1", "kafka.broker (--set): there is no such key; allowed here: brokers,"),
        ("kafka.brokers=nowhere", "kafka.brokers = \"nowhere\" (--set): must be HOST:PORT"),
        (
            "kafka.group.protocol=old",
            "kafka.group.protocol = \"old\" (--set): must be \"classic\" or \"consumer\"",
        ),
        ("elasticsearch.nodes=[\"ftp://x\"]", "elasticsearch.nodes = \"ftp://x\" (--set): must be a URL"),
        ("elasticsearch.shards=many", "elasticsearch.shards = \"many\" (--set): must be a whole number"),
        ("elasticsearch.shards=0", "elasticsearch.shards = \"0\" (--set): must be between 1 and 1024"),
        ("engine.memory_bytes=1", "engine.memory_bytes = 1 (--set): must be from 16777216"),
        ("engine.admin_listen=here", "engine.admin_listen = \"here\" (--set): must be ADDRESS:PORT"),
        ("engine.log_level=loud=x", "engine.log_level = \"loud=x\" (--set): must be error, warn"),
        ("engine", "--set engine: must be KEY=VALUE"),
    ] {
        let ended = refused(&["--set", setting], &[]);
        assert_eq!(ended.code, 2, "{setting}: {}", ended.log);
        assert!(ended.log.contains(said), "{setting}: {}", ended.log);
    }
    let ended = refused(&[], &[("THALWEG__KAFKA__GROUPS", "x")]);
    assert_eq!(ended.code, 2);
    assert!(ended.log.contains("kafka.groups (environment: THALWEG__KAFKA__GROUPS): there is no such key"));
    let ended = refused(&["--settings", "/nowhere/at-all.toml"], &[]);
    assert_eq!(ended.code, 2);
    assert!(ended.log.contains("/nowhere/at-all.toml"), "{}", ended.log);
    assert_eq!(refused(&["--no-such-flag"], &[]).code, 2);
}

#[test]
fn secrets_are_shown_nowhere() {
    let secret = ["--set", "elasticsearch.username=u", "--set", "elasticsearch.password=hunter2"];
    let shown = refused(&[&secret[..], &["--print-settings"]].concat(), &[]);
    assert_eq!(shown.code, 0, "{}", shown.log);
    assert!(shown.output.contains("password = \"***\""), "{}", shown.output);
    let unreachable = command(&[&secret[..], &["--set", "kafka.brokers=127.0.0.1:1"]].concat());
    let failed = end_of(unreachable, SOON);
    assert_eq!(failed.code, 1);
    let key = refused(&["--set", "elasticsearch.api_key=hunter2 "], &[]);
    assert_eq!(key.code, 2);
    for said in [shown, failed, key] {
        assert!(!format!("{said:?}").contains("hunter2"), "{said:?}");
    }
}

#[test]
fn a_broker_that_is_not_there_is_named() {
    let ended = end_of(command(&["--set", "kafka.brokers=127.0.0.1:1"]), SOON);
    assert_eq!(ended.code, 1, "{}", ended.log);
    assert!(ended.log.contains("no Kafka broker answers at 127.0.0.1:1"), "{}", ended.log);
}

#[test]
fn a_topic_that_is_not_there_is_named() {
    let brokers = thalweg_testbed::servers::kafka();
    let args = ["--set", "source.topic=there-is-no-such-topic"];
    let mut command = command(&args);
    command.env("KAFKA_BROKERS", brokers);
    let ended = end_of(command, SOON);
    assert_eq!(ended.code, 1, "{}", ended.log);
    assert!(ended.log.contains("the topic there-is-no-such-topic does not exist"), "{}", ended.log);
}

#[test]
fn a_node_that_is_not_there_is_named() {
    let scene = Scene::new("no-node", 1);
    let node = "elasticsearch.nodes=[\"http://127.0.0.1:1\"]";
    let more = ["--set", node, "--set", "elasticsearch.start_timeout_ms=1000"];
    let ended = start(&scene, &more).wait_end_within(SOON);
    assert_eq!(ended.code, 1, "{}", ended.log);
    assert!(ended.log.contains("Elasticsearch at http://127.0.0.1:1"), "{}", ended.log);
}

#[test]
fn an_index_with_another_mapping_is_left_alone() {
    let scene = Scene::new("foreign", 1);
    index::create_foreign(&scene.name);
    let ended = start(&scene, &[]).wait_end_within(SOON);
    assert_eq!(ended.code, 1, "{}", ended.log);
    assert!(ended.log.contains("has another mapping"), "{}", ended.log);
}

#[test]
fn an_admin_address_that_is_taken_is_named() {
    let scene = Scene::new("taken", 1);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let setting = format!("engine.admin_listen={}", taken.local_addr().unwrap());
    let ended = start(&scene, &["--set", &setting]).wait_end_within(SOON);
    assert_eq!(ended.code, 1, "{}", ended.log);
    assert!(ended.log.contains("engine.admin_listen"), "{}", ended.log);
}

#[test]
fn a_check_looks_at_everything_and_ends() {
    let scene = Scene::new("check", 3);
    let ended = start(&scene, &["--check"]).wait_end_within(SOON);
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert!(
        ended.output.contains(&format!("ok: topic {} with 3 partitions", scene.name)),
        "{}",
        ended.output
    );
    assert!(index::documents(&scene.name).is_empty());
}
