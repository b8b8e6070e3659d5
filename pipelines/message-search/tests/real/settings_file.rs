//! `message-indexer.toml`: every key, explained, with its default.

use message_search::Settings;
use thalweg::kafka::Secret;
use thalweg::trial::{SettingsFile, with_every_key};
use thalweg_testbed::instance::PATIENCE;

use crate::indexer::{command, end_of};

const FILE: SettingsFile<'_> = SettingsFile(include_str!("../../message-indexer.toml"));

#[test]
fn every_key_is_in_the_file_explained_and_with_its_default() {
    let mut all = Settings::default();
    all.kafka = with_every_key(&all.kafka);
    all.elasticsearch.username = Some("x".to_owned());
    all.elasticsearch.password = Some(Secret::new("x"));
    all.elasticsearch.api_key = Some(Secret::new("x"));
    all.elasticsearch.ca_file = Some("x".to_owned());
    assert_eq!(FILE.faults(&Settings::default(), &all), [""; 0]);
}

#[test]
fn the_binary_takes_the_file_and_what_it_prints() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/message-indexer.toml");
    let printed = end_of(command(&["--settings", path, "--print-settings"]), PATIENCE);
    assert_eq!(printed.code, 0, "{}", printed.log);
    assert_eq!(FILE.differences(&printed.output), [""; 0]);
    assert!(printed.output.contains("message-indexer.toml"), "it says where a value comes from");
}
