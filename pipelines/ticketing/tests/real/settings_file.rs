//! The settings files: every key, explained, with its default.

use std::collections::BTreeMap;

use serde::Serialize;
use thalweg::kafka::{GroupSettings, KafkaSettings, SaslMechanism, SaslSettings, Secret, TlsSettings};
use ticketing::programs::{
    ExpirationProgram, OrdersProgram, PaymentsProgram, TicketingProgram, TicketsProgram,
};

use crate::instance::command;

/// A program's file, its defaults, and its settings with everything set that can be.
struct File {
    program: &'static str,
    text: &'static str,
    defaults: String,
    all: String,
}

fn printed(settings: &impl Serialize) -> String {
    toml::to_string(settings).unwrap()
}

/// The file of a program, whose settings have these secrets.
macro_rules! file {
    ($program:literal, $settings:ty $(, $($secret:ident).+)*) => {{
        let defaults = <$settings>::default();
        #[allow(unused_mut, reason = "one program has no secrets")]
        let mut all = <$settings>::default();
        $(all.$($secret).+ = Some(Secret::new("x"));)*
        (all.kafka, all.transactions.instance) = (with_everything(&all.kafka), Some("x".to_owned()));
        let text = include_str!(concat!("../../", $program, ".toml"));
        File { program: $program, text, defaults: printed(&defaults), all: printed(&all) }
    }};
}

fn files() -> [File; 5] {
    [
        file!("tickets", TicketsProgram, tickets.commands.token_secret),
        file!("orders", OrdersProgram, orders.commands.token_secret),
        file!("payments", PaymentsProgram, payments.commands.token_secret, payments.provider.bearer_token),
        file!("expiration", ExpirationProgram),
        file!(
            "ticketing",
            TicketingProgram,
            tickets.commands.token_secret,
            orders.commands.token_secret,
            payments.commands.token_secret,
            payments.provider.bearer_token
        ),
    ]
}

/// Written out, so that a new key does not compile until it stands here, and then in the files.
fn with_everything(kafka: &KafkaSettings) -> KafkaSettings {
    let text = || Some("x".to_owned());
    KafkaSettings {
        group: GroupSettings {
            instance_id: text(),
            session_timeout_ms: Some(1),
            heartbeat_interval_ms: Some(1),
            ..kafka.group.clone()
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
        ..kafka.clone()
    }
}

/// The file with the settings uncommented that have no default: lines like `#key = value`, without a space.
fn with_optional(text: &str) -> String {
    text.lines()
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
fn the_files_say_the_defaults() {
    for File { program, text, defaults, .. } in files() {
        assert_eq!(flat(text), flat(&defaults), "{program}");
    }
}

#[test]
fn every_key_is_in_the_files() {
    for File { program, text, all, .. } in files() {
        let (file, all) = (flat(&with_optional(text)), flat(&all));
        assert_eq!(file.keys().collect::<Vec<_>>(), all.keys().collect::<Vec<_>>(), "{program}");
    }
}

#[test]
fn every_key_is_explained() {
    for File { program, text, .. } in files() {
        let mut before = "";
        for line in text.lines() {
            let names_a_key = line.split_once(" = ").is_some_and(|(key, _)| {
                key.trim_start_matches('#')
                    .chars()
                    .all(|found| found.is_ascii_alphanumeric() || "_\".".contains(found))
            });
            if names_a_key {
                assert!(before.starts_with("# "), "{program}: {line:?} has no explanation above it");
            }
            before = line;
        }
    }
}

#[test]
fn the_programs_take_their_files_and_what_they_print() {
    for File { program, text, .. } in files() {
        let path = format!("{}/{program}.toml", env!("CARGO_MANIFEST_DIR"));
        let told = command(program).args(["--settings", &path, "--print-settings"]).output().unwrap();
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        let told = String::from_utf8(told.stdout).unwrap();
        let mut found = flat(&told);
        // The tests' own secret is in the environment.
        found.retain(|key, value| !key.ends_with("token_secret") || value.as_str() != Some("***"));
        assert_eq!(found, flat(text), "{program}");
        assert!(told.contains(&format!("{program}.toml")), "it says where a value comes from");
        let help = command(program).arg("--help").output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        assert!(help.contains("KAFKA_BROKERS") && help.contains("--check"), "{help}");
    }
}
