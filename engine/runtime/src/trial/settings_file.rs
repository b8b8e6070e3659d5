//! A pipeline's settings file against its settings: every key is there, explained, and with its default.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use thalweg_connectors::kafka::secret::Secret;
use thalweg_connectors::kafka::settings::{
    GroupSettings, KafkaSettings, SaslMechanism, SaslSettings, TlsSettings,
};

/// The text of a settings file. A key without a default stands there as `#key = value`, an explanation as `# ...`.
#[derive(Debug, Clone, Copy)]
pub struct SettingsFile<'t>(pub &'t str);

type Keys = BTreeMap<String, toml::Value>;

impl SettingsFile<'_> {
    /// What is wrong with the file of a program with these defaults; `all` are the same settings with everything set that can
    /// be. Nothing: users find each key in it.
    pub fn faults<S: Serialize>(&self, defaults: &S, all: &S) -> Vec<String> {
        let (defaults, all) = match (toml::to_string(defaults), toml::to_string(all)) {
            (Ok(defaults), Ok(all)) => (defaults, all),
            (Err(error), _) | (_, Err(error)) => return vec![format!("the settings: {error}")],
        };
        let mut faults = self.differences(&defaults);
        let file = keys_of(&self.with_optional()).map(names);
        match (file, keys_of(&all).map(names)) {
            (Ok(file), Ok(all)) => {
                faults.extend(all.difference(&file).map(|key| format!("{key} is missing")));
                faults.extend(file.difference(&all).map(|key| format!("there is no setting {key}")));
            }
            (Err(error), _) | (_, Err(error)) => faults.push(error),
        }
        faults.extend(self.unexplained());
        faults
    }

    /// Where the values differ from those of another text, as `--print-settings` prints one.
    pub fn differences(&self, other: &str) -> Vec<String> {
        let (file, other) = match (keys_of(self.0), keys_of(other)) {
            (Ok(file), Ok(other)) => (file, other),
            (Err(error), _) | (_, Err(error)) => return vec![error],
        };
        let keys: BTreeSet<_> = file.keys().chain(other.keys()).collect();
        let differs = |key: &&String| file.get(*key) != other.get(*key);
        let told = |key: &String| match (file.get(key), other.get(key)) {
            (Some(here), Some(there)) => format!("{key} is {here} in the file, and {there}"),
            (Some(here), None) => format!("{key} is {here} in the file, and not set otherwise"),
            (None, there) => {
                let there = there.map_or_else(String::new, toml::Value::to_string);
                format!("{key} is not set in the file, and {there}")
            }
        };
        keys.into_iter().filter(differs).map(told).collect()
    }

    /// The file with the keys uncommented that have no default: lines like `#key = value`, without a space.
    fn with_optional(&self) -> String {
        let uncommented = |line: &str| {
            line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line).to_owned()
        };
        self.0.lines().map(|line| uncommented(line) + "\n").collect()
    }

    fn unexplained(&self) -> Vec<String> {
        let is_name = |found: char| found.is_ascii_alphanumeric() || "_\".".contains(found);
        let names_a_key = |line: &str| {
            line.split_once(" = ").is_some_and(|(key, _)| key.trim_start_matches('#').chars().all(is_name))
        };
        let lines = self.0.lines();
        let pairs = std::iter::once("").chain(lines.clone()).zip(lines);
        pairs
            .filter(|(before, line)| names_a_key(line) && !before.starts_with("# "))
            .map(|(_, line)| format!("{line:?} has no explanation above it"))
            .collect()
    }
}

fn names(keys: Keys) -> BTreeSet<String> {
    keys.into_keys().collect()
}

fn keys_of(text: &str) -> Result<Keys, String> {
    let table: toml::Table = text.parse().map_err(|error| format!("{error}"))?;
    let mut found = Keys::new();
    flatten("", table, &mut found);
    Ok(found)
}

fn flatten(prefix: &str, table: toml::Table, into: &mut Keys) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        match value {
            toml::Value::Table(inner) => flatten(&path, inner, into),
            value => drop(into.insert(path, value)),
        }
    }
}

/// Kafka's settings with everything set that has no default, for [`SettingsFile::faults`].
#[must_use]
pub fn with_every_key(kafka: &KafkaSettings) -> KafkaSettings {
    let text = || Some("x".to_owned());
    KafkaSettings {
        group: GroupSettings {
            instance_id: text(),
            session_timeout_ms: Some(1),
            heartbeat_interval_ms: Some(1),
            ..kafka.group.clone()
        },
        // Written out, so that a new key does not compile until it stands here, and then in the files.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Of {
        name: &'static str,
        limit: Option<u32>,
        inner: Inner,
    }

    #[derive(Serialize)]
    struct Inner {
        wait_ms: u32,
    }

    fn of(limit: Option<u32>) -> Of {
        Of { name: "a", limit, inner: Inner { wait_ms: 5 } }
    }

    #[test]
    fn a_file_is_right_when_each_key_is_there_explained_and_with_its_default() {
        let right = "# Who.\nname = \"a\"\n# At most.\n#limit = 7\n\n[inner]\n# How long.\nwait_ms = 5\n";
        let faults = |text: &str| SettingsFile(text).faults(&of(None), &of(Some(1)));
        assert_eq!(faults(right), [""; 0]);
        let cases = [
            ("name = \"a\"", "name = \"b\"", "name is \"b\" in the file, and \"a\""),
            ("#limit = 7\n", "", "limit is missing"),
            ("#limit", "#limits", "there is no setting limits"),
            ("# How long.\n", "", "\"wait_ms = 5\" has no explanation above it"),
            ("wait_ms = 5", "", "inner.wait_ms is not set in the file, and 5"),
            ("wait_ms = 5", "wait_ms = ", "wait_ms"),
        ];
        for (from, to, fault) in cases {
            let found = faults(&right.replace(from, to));
            assert!(found.iter().any(|found| found.contains(fault)), "{to}: {found:?}");
        }
    }
}
