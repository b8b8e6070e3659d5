//! `counters.toml`: what is its own.

use counters::Settings;

const FILE: &str = include_str!("../../counters.toml");

#[test]
fn the_file_says_the_defaults_and_every_key_of_its_sections() {
    // The only key without a default.
    let told = FILE.replace("#token_secret", "token_secret");
    let told: toml::Table = told.parse().unwrap();
    let mut settings = Settings::default();
    settings.commands.token_secret = Some(thalweg::kafka::Secret::new("..."));
    let mut defaults: toml::Table = toml::to_string(&settings).unwrap().parse().unwrap();
    defaults.retain(|section, _| told.contains_key(section));
    defaults["commands"]["token_secret"] = "...".into();
    assert_eq!(told, defaults);
}
