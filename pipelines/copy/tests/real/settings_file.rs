//! `copy.toml`: every key, explained, with its default.

use copy::Settings;
use thalweg::trial::{SettingsFile, with_every_key};

use crate::scene::command;

const FILE: SettingsFile<'_> = SettingsFile(include_str!("../../copy.toml"));

#[test]
fn every_key_is_in_the_file_explained_and_with_its_default() {
    let mut all = Settings::default();
    all.kafka = with_every_key(&all.kafka);
    all.transactions.instance = Some("x".to_owned());
    assert_eq!(FILE.faults(&Settings::default(), &all), [""; 0]);
}

#[test]
fn the_binary_takes_the_file_and_what_it_prints() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/copy.toml");
    let printed = command().args(["--settings", path, "--print-settings"]).output().unwrap();
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let text = String::from_utf8(printed.stdout).unwrap();
    assert_eq!(FILE.differences(&text), [""; 0]);
    assert!(text.contains("copy.toml"), "it says where a value comes from");
}
