//! An index's settings: those that mean something here, and those that may be given because they mean nothing here.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::refusal::Refusal;

/// Refreshing by itself is switched off by an interval that never ends.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// See the module's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    /// As given, by name without `index.`.
    given: Map<String, Value>,
    pub(super) refresh_interval: Duration,
    /// How long the versions of removed documents are remembered.
    pub(super) gc_deletes: Duration,
    pub(super) writes_blocked: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            given: Map::new(),
            refresh_interval: Duration::from_secs(1),
            gc_deletes: Duration::from_secs(60),
            writes_blocked: false,
        }
    }
}

impl Settings {
    /// These settings with a change: names dotted or nested, with or without `index.`.
    pub(super) fn changed(&self, change: &Value) -> Result<Self, Refusal> {
        let mut settings = self.clone();
        let mut flat = Vec::new();
        flatten("", change, &mut flat);
        for (name, value) in flat {
            let name = name.strip_prefix("index.").unwrap_or(&name).to_owned();
            settings.set(&name, &value)?;
            settings.given.insert(name, value);
        }
        Ok(settings)
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), Refusal> {
        let bad = || {
            Refusal::illegal(format!("failed to parse setting [index.{name}] with value [{}]", shown(value)))
        };
        match name {
            // One shard and no replica, whatever is asked for.
            "number_of_shards" | "number_of_replicas" => {
                shown(value).parse::<u32>().map(|_| ()).map_err(|_| bad())
            }
            "refresh_interval" if shown(value) == "-1" => {
                self.refresh_interval = NEVER;
                Ok(())
            }
            "refresh_interval" => {
                // More often than this, refreshing would be all that is done.
                self.refresh_interval =
                    duration(&shown(value)).ok_or_else(bad)?.max(Duration::from_millis(50));
                Ok(())
            }
            "gc_deletes" => {
                self.gc_deletes = duration(&shown(value)).ok_or_else(bad)?;
                Ok(())
            }
            "blocks.write" => {
                self.writes_blocked = shown(value).parse().map_err(|_| bad())?;
                Ok(())
            }
            _ => {
                Err(Refusal::illegal(format!("the embedded index does not know the setting [index.{name}]")))
            }
        }
    }

    /// As Elasticsearch shows them: every value a text.
    pub(super) fn as_json(&self) -> Value {
        let mut shown_settings = json!({"number_of_shards": "1", "number_of_replicas": "0"});
        for (name, value) in &self.given {
            shown_settings[name] = Value::from(shown(value));
        }
        json!({"index": shown_settings})
    }
}

fn flatten(path: &str, value: &Value, into: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, into);
            }
        }
        value => into.push((path.to_owned(), value.clone())),
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A time as Elasticsearch writes it: `100ms`, `1s`, `2m`, `1h`, `1d`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(ms)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_be_nested_or_dotted() {
        let nested =
            json!({"index": {"gc_deletes": "0s"}, "number_of_shards": 3, "index.blocks.write": true});
        let settings = Settings::default().changed(&nested).unwrap();
        assert_eq!((settings.gc_deletes, settings.writes_blocked), (Duration::ZERO, true));
        let settings =
            settings.changed(&json!({"index.blocks.write": "false", "refresh_interval": "100ms"})).unwrap();
        assert_eq!((settings.refresh_interval, settings.writes_blocked), (Duration::from_millis(100), false));
        assert_eq!(settings.as_json()["index"]["number_of_shards"], "3");
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (change, named) in [
            (json!({"index.codec": "best"}), "[index.codec]"),
            (json!({"refresh_interval": "soon"}), "[index.refresh_interval] with value [soon]"),
            (json!({"number_of_shards": "many"}), "[many]"),
        ] {
            let refusal = Settings::default().changed(&change).unwrap_err();
            assert!(refusal.status == 400 && refusal.reason.contains(named), "{}", refusal.reason);
        }
    }
}
