//! `copy.toml`: every key, explained, with its default.

use std::collections::BTreeMap;

use copy::Settings;
use thalweg::kafka::{KafkaSettings, SaslMechanism, SaslSettings, Secret, TlsSettings};

use crate::instance::command;

const FILE: &str = include_str!("../../copy.toml");

/// The file with the settings uncommented that have no default: lines like `#key = value`, without a space.
fn with_optional() -> String {
    FILE.lines()
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
        .fold(String::new(), |text, line| text + line + "\n")
}

fn keys(prefix: &str, table: &toml::Table, into: &mut BTreeMap<String, toml::Value>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            toml::Value::Table(inner) => keys(&path, inner, into),
            value => drop(into.insert(path, value.clone())),
        }
    }
}

fn flat(text: &str) -> BTreeMap<String, toml::Value> {
    let mut found = BTreeMap::new();
    keys("", &text.parse().unwrap(), &mut found);
    found
}

#[test]
fn the_file_says_the_defaults() {
    let defaults = toml::to_string(&Settings::default()).unwrap();
    assert_eq!(flat(FILE), flat(&defaults));
}

#[test]
fn every_key_is_in_the_file() {
    let mut settings = Settings::default();
    let text = || Some("x".to_owned());
    // Written out, so that a new key does not compile until it stands here, and then in the file.
    settings.kafka = KafkaSettings {
        group: thalweg::kafka::GroupSettings {
            instance_id: text(),
            session_timeout_ms: Some(1),
            heartbeat_interval_ms: Some(1),
            ..settings.kafka.group
        },
        tls: Some(TlsSettings {
            ca_file: text(),
            certificate_file: text(),
            key_file: text(),
            key_password: Some(Secret::new("x")),
            accept_any_hostname: false,
        }),
        sasl: Some(SaslSettings {
            mechanism: SaslMechanism::Plain,
            user: "x".to_owned(),
            password: Secret::new("x"),
        }),
        librdkafka: [("client.rack".to_owned(), "x".to_owned())].into(),
        ..settings.kafka
    };
    settings.transactions.instance = text();
    let all = flat(&toml::to_string(&settings).unwrap());
    let file = flat(&with_optional());
    assert_eq!(file.keys().collect::<Vec<_>>(), all.keys().collect::<Vec<_>>());
}

#[test]
fn every_key_is_explained() {
    let mut before = "";
    for line in FILE.lines() {
        let names_a_key = line.split_once(" = ").is_some_and(|(key, _)| {
            key.trim_start_matches('#')
                .chars()
                .all(|found| found.is_ascii_alphanumeric() || "_\".".contains(found))
        });
        if names_a_key {
            assert!(before.starts_with("# "), "{line:?} has no explanation above it");
        }
        before = line;
    }
}

#[test]
fn the_binary_takes_the_file_and_what_it_prints() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/copy.toml");
    let printed = command().args(["--settings", path, "--print-settings"]).output().unwrap();
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let text = String::from_utf8(printed.stdout).unwrap();
    assert_eq!(flat(&text), flat(FILE));
    assert!(text.contains("copy.toml"), "it says where a value comes from");
}
