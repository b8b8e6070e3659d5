//! TLS and credentials, on servers that demand them.
#![cfg(feature = "tls")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

mod indexer;

use std::path::Path;
use std::time::Duration;

use indexer::Scene;
use indexer::program::Launch;
use indexer::records::{history, keyed};
use thalweg_testbed::private::{Elasticsearch, Kafka, PASSWORD, USER};

/// What is wrong must be said this soon.
const SOON: Duration = Duration::from_secs(25);

/// How the indexer is let in.
fn secured(scene: &Scene, kafka: &Kafka, node: &Elasticsearch) -> Launch {
    let (address, certificates) = kafka.secured.as_ref().unwrap();
    let ca = |key: &str, file: &Path| format!("{key}={}", file.display());
    scene.launch().set(&[
        &format!("kafka.brokers={address}"),
        &ca("kafka.tls.ca_file", &certificates.ca),
        "kafka.sasl.mechanism=PLAIN",
        &format!("kafka.sasl.user={USER}"),
        &format!("kafka.sasl.password={PASSWORD}"),
        &ca("elasticsearch.ca_file", &node.certificates.as_ref().unwrap().ca),
        &format!("elasticsearch.username={USER}"),
        &format!("elasticsearch.password={PASSWORD}"),
    ])
}

/// The same node without its guards, for a look at what was written.
fn open_up(node: &Elasticsearch) -> String {
    node.stop().unwrap();
    let mut open = (**node).clone();
    open.secured = false;
    open.settings.clear();
    open.start().unwrap();
    open.url()
}

#[test]
fn secured_servers_are_used_and_wrong_credentials_named() {
    let kafka = Kafka::start_secured(&[]).unwrap();
    let node = Elasticsearch::start_secured(&[]).unwrap();
    let mut scene = Scene::on(&kafka.bootstrap(), &node.url(), "secured", 2);
    let mut records = history("m", 500);
    records.push(keyed("c", "no event"));
    scene.write(&records);

    let others = &kafka.secured.as_ref().unwrap().1.other_ca.display().to_string();
    for (setting, said) in [
        (format!("kafka.tls.ca_file={others}"), "certificate"),
        ("kafka.sasl.password=wrong".to_owned(), "uthentication"),
        (format!("elasticsearch.ca_file={others}"), "certificate"),
        ("elasticsearch.password=wrong".to_owned(), "401"),
    ] {
        let ended = secured(&scene, &kafka, &node).set(&[&setting]).run(SOON);
        assert_eq!(ended.code, 1, "{setting}: {}", ended.log);
        let last = ended.log.lines().last().unwrap_or_default();
        assert!(last.contains(said), "{setting}: {last}");
        assert!(!ended.log.contains(PASSWORD), "{setting}: {}", ended.log);
    }

    let indexer = secured(&scene, &kafka, &node).start();
    scene.finish(indexer);
    scene.elasticsearch = open_up(&node);
    let found = scene.assert_correct();
    assert_eq!((found.records, found.reasons.len()), (501, 1));
}
