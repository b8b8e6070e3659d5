//! The settings in force, as TOML with the origin of each value behind it.

use std::fmt::Write as _;

use serde::Serialize;

use super::error::{Origin, SettingError};
use super::layers::{Layers, as_table};

/// Where the origin stands; longer lines push it out.
const COMMENT_COLUMN: usize = 56;

/// The settings in force: secrets hidden, what is not the default says where it was set. Keys that are not set and
/// have no default are left out.
///
/// # Errors
/// When the settings can't be written as TOML.
pub fn print<T: Serialize>(settings: &T, layers: &Layers) -> Result<String, SettingError> {
    let mut text = String::new();
    section(&as_table(settings)?, &mut Vec::new(), layers, &mut text);
    Ok(text)
}

fn section(table: &toml::Table, path: &mut Vec<String>, layers: &Layers, text: &mut String) {
    let (sections, values): (Vec<_>, Vec<_>) = table.iter().partition(|(_, value)| value.is_table());
    if !path.is_empty() && !values.is_empty() {
        let names: Vec<_> = path.iter().map(|name| quoted(name)).collect();
        let _ = writeln!(text, "{}[{}]", if text.is_empty() { "" } else { "\n" }, names.join("."));
    }
    for (key, value) in values {
        path.push(key.clone());
        let mut line = format!("{} = {value}", quoted(key));
        match layers.origin(path) {
            Origin::Default => {}
            origin => {
                let gap = COMMENT_COLUMN.saturating_sub(line.chars().count()).max(2);
                let _ = write!(line, "{:gap$}# {origin}", "");
            }
        }
        let _ = writeln!(text, "{line}");
        path.pop();
    }
    for (key, value) in sections {
        path.push(key.clone());
        if let Some(table) = value.as_table() {
            section(table, path, layers, text);
        }
        path.pop();
    }
}

fn quoted(key: &str) -> String {
    let plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if plain && !key.is_empty() { key.to_owned() } else { toml::Value::String(key.to_owned()).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_where_a_value_comes_from_and_stays_toml() {
        let table: toml::Table = "a = 1\n[s]\nb = \"x\"\n[s.t]\n\"d.e\" = true\n".parse().unwrap();
        let layers = Layers::gather(None, &[], std::iter::empty(), &["s.b=x".to_owned()]).unwrap();
        let text = print(&table, &layers).unwrap();
        assert!(text.contains("b = \"x\"") && text.contains("# --set") && text.contains("[s.t]"), "{text}");
        assert_eq!(text.parse::<toml::Table>().unwrap(), table);
    }
}
