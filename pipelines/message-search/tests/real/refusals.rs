//! What keeps it from starting: a clear word and an exit code, within seconds.

use std::time::Duration;

use crate::index;
use crate::indexer::{Ended, Indexer, command};
use crate::scene::Scene;

/// Settings are read and judged at once.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Whoever does not answer is given this long by default.
const SOON: Duration = Duration::from_secs(20);

fn refused(args: &[&str], environment: &[(&str, &str)]) -> Ended {
    let mut command = command(args);
    command.envs(environment.iter().copied());
    Indexer::spawn(command).ended_within(AT_ONCE)
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
        assert_eq!(ended.code, Some(2), "{setting}: {}", ended.errors);
        assert!(ended.errors.contains(said), "{setting}: {}", ended.errors);
    }
    let ended = refused(&[], &[("THALWEG__KAFKA__GROUPS", "x")]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.errors.contains("kafka.groups (environment: THALWEG__KAFKA__GROUPS): there is no such key")
    );
    let ended = refused(&["--settings", "/nowhere/at-all.toml"], &[]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.errors.contains("/nowhere/at-all.toml"), "{}", ended.errors);
    assert_eq!(refused(&["--no-such-flag"], &[]).code, Some(2));
}

#[test]
fn secrets_are_shown_nowhere() {
    let secret = ["--set", "elasticsearch.username=u", "--set", "elasticsearch.password=hunter2"];
    let shown = refused(&[&secret[..], &["--print-settings"]].concat(), &[]);
    assert_eq!(shown.code, Some(0), "{}", shown.errors);
    assert!(shown.output.contains("password = \"***\""), "{}", shown.output);
    let unreachable = command(&[&secret[..], &["--set", "kafka.brokers=127.0.0.1:1"]].concat());
    let failed = Indexer::spawn(unreachable).ended_within(SOON);
    assert_eq!(failed.code, Some(1));
    let key = refused(&["--set", "elasticsearch.api_key=hunter2 "], &[]);
    assert_eq!(key.code, Some(2));
    for said in [shown, failed, key] {
        assert!(!format!("{said:?}").contains("hunter2"), "{said:?}");
    }
}

#[test]
fn a_broker_that_is_not_there_is_named() {
    let ended = Indexer::spawn(command(&["--set", "kafka.brokers=127.0.0.1:1"])).ended_within(SOON);
    assert_eq!(ended.code, Some(1), "{}", ended.errors);
    assert!(ended.errors.contains("no Kafka broker answers at 127.0.0.1:1"), "{}", ended.errors);
}

#[test]
fn a_topic_that_is_not_there_is_named() {
    let brokers = thalweg_testbed::servers::kafka();
    let args = ["--set", "source.topic=there-is-no-such-topic"];
    let mut command = command(&args);
    let ended = Indexer::spawn({
        command.env("KAFKA_BROKERS", brokers);
        command
    })
    .ended_within(SOON);
    assert_eq!(ended.code, Some(1), "{}", ended.errors);
    assert!(ended.errors.contains("the topic there-is-no-such-topic does not exist"), "{}", ended.errors);
}

#[test]
fn a_node_that_is_not_there_is_named() {
    let scene = Scene::new("no-node", 1);
    let node = "elasticsearch.nodes=[\"http://127.0.0.1:1\"]";
    let more = ["--set", node, "--set", "elasticsearch.start_timeout_ms=1000"];
    let ended = Indexer::start(&scene, &more).ended_within(SOON);
    assert_eq!(ended.code, Some(1), "{}", ended.errors);
    assert!(ended.errors.contains("Elasticsearch at http://127.0.0.1:1"), "{}", ended.errors);
}

#[test]
fn an_index_with_another_mapping_is_left_alone() {
    let scene = Scene::new("foreign", 1);
    index::create_foreign(&scene.name);
    let ended = Indexer::start(&scene, &[]).ended_within(SOON);
    assert_eq!(ended.code, Some(1), "{}", ended.errors);
    assert!(ended.errors.contains("has another mapping"), "{}", ended.errors);
}

#[test]
fn an_admin_address_that_is_taken_is_named() {
    let scene = Scene::new("taken", 1);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let setting = format!("engine.admin_listen={}", taken.local_addr().unwrap());
    let ended = Indexer::start(&scene, &["--set", &setting]).ended_within(SOON);
    assert_eq!(ended.code, Some(1), "{}", ended.errors);
    assert!(ended.errors.contains("engine.admin_listen"), "{}", ended.errors);
}

#[test]
fn a_check_looks_at_everything_and_ends() {
    let scene = Scene::new("check", 3);
    let ended = Indexer::start(&scene, &["--check"]).ended_within(SOON);
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(
        ended.output.contains(&format!("ok: topic {} with 3 partitions", scene.name)),
        "{}",
        ended.output
    );
    assert!(index::documents(&scene.name).is_empty());
}
