//! The layers: file, environment, flags.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{Origin, SettingError};
use super::tree::{Leaf, Node, Value};

/// What environment variables of ours begin with: `THALWEG__KAFKA__GROUP__ID` is `kafka.group.id`.
pub(super) const PREFIX: &str = "THALWEG__";

/// A documented environment variable of a pipeline, and the key that it sets.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// The variable.
    pub name: &'static str,
    /// The key, its sections joined by dots.
    pub key: &'static str,
}

/// What was set, by whom.
#[derive(Debug, Default)]
pub struct Layers {
    tree: Node,
}

impl Layers {
    /// Lays the layers over each other: `file` if there is one, then `documented` variables, then those of our prefix,
    /// then `flags` (`KEY=VALUE`). Empty variables count as not set.
    ///
    /// # Errors
    /// When the file can't be read or is not TOML, or a flag is not `KEY=VALUE`.
    pub fn gather(
        file: Option<&Path>,
        documented: &[Variable],
        environment: impl Iterator<Item = (String, String)>,
        flags: &[String],
    ) -> Result<Self, SettingError> {
        let mut tree = file.map_or_else(|| Ok(Node::default()), read_file)?;
        let environment: Vec<_> = environment.filter(|(_, value)| !value.is_empty()).collect();
        let set = |tree: &mut Node, name: &str, path: &[String], text: &str| {
            let origin = Origin::Variable(name.to_owned());
            tree.set(path, Leaf { value: Value::Text(text.to_owned()), origin });
        };
        for variable in documented {
            if let Some((name, text)) = environment.iter().find(|(name, _)| name == variable.name) {
                set(&mut tree, name, &split_key(variable.key), text);
            }
        }
        for (name, text) in &environment {
            if let Some(rest) = name.strip_prefix(PREFIX) {
                let path: Vec<_> = rest.split("__").map(str::to_lowercase).collect();
                set(&mut tree, name, &path, text);
            }
        }
        for flag in flags {
            let Some((key, text)) = split_flag(flag) else {
                return Err(SettingError::general(format!("--set {flag}: must be KEY=VALUE")));
            };
            tree.set(&split_key(key), Leaf { value: Value::Text(text.to_owned()), origin: Origin::Flag });
        }
        Ok(Self { tree })
    }

    /// The same over presets (`KEY=VALUE`), which take the place of defaults.
    ///
    /// # Errors
    /// When one is not `KEY=VALUE`.
    pub(crate) fn over(self, presets: &[String]) -> Result<Self, SettingError> {
        let mut tree = Node::default();
        for preset in presets {
            let Some((key, text)) = split_flag(preset) else {
                return Err(SettingError::general(format!("{preset}: must be KEY=VALUE")));
            };
            tree.set(&split_key(key), Leaf { value: Value::Text(text.to_owned()), origin: Origin::Demo });
        }
        tree.lay(&self.tree);
        Ok(Self { tree })
    }

    /// The typed settings: what was set, and the defaults of `T` for the rest.
    ///
    /// # Errors
    /// The first key that does not exist or value that can't be.
    pub fn read<T: Default + Serialize + DeserializeOwned>(&self) -> Result<T, SettingError> {
        // The defaults are a layer too: a section of which a file sets one key keeps the pipeline's own defaults for
        // the others, and not those of the section's type.
        let mut tree = Node::of_table(as_table(&T::default())?, &Origin::Default);
        tree.lay(&self.tree);
        T::deserialize(&tree)
    }

    /// The error of a check that ran on the typed settings, completed with where the value was set.
    #[must_use]
    pub fn explain(&self, error: SettingError) -> SettingError {
        error.with_origin(|path| self.tree.origin(path))
    }

    /// Where that key was set.
    pub(super) fn origin(&self, path: &[String]) -> Origin {
        self.tree.origin(path).unwrap_or(Origin::Default)
    }
}

/// The settings as TOML values, secrets hidden.
pub(super) fn as_table<T: Serialize>(settings: &T) -> Result<toml::Table, SettingError> {
    toml::Table::try_from(settings).map_err(|error| SettingError::general(error.to_string()))
}

fn read_file(path: &Path) -> Result<Node, SettingError> {
    let problem =
        |error: &dyn std::fmt::Display| SettingError::general(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| problem(&error))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| problem(&error))?;
    Ok(Node::of_table(table, &Origin::File(PathBuf::from(path))))
}

/// Splits at the first `=` outside of quotes.
fn split_flag(flag: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let at = flag.char_indices().find(|(_, found)| {
        quoted ^= *found == '"';
        *found == '=' && !quoted
    })?;
    Some((flag[..at.0].trim(), &flag[at.0 + 1..]))
}

/// Splits a key at its dots; a part in quotes may contain dots.
fn split_key(key: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for found in key.chars() {
        match found {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            other => parts.last_mut().into_iter().for_each(|part| part.push(other)),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Settings {
        port: u16,
        outer: Outer,
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Outer {
        name: Option<String>,
        on: bool,
        kind: Kind,
        list: Vec<u32>,
        free: BTreeMap<String, String>,
        password: Option<u8>,
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Kind {
        #[default]
        Plain,
        VerySpecial,
    }

    const DOCUMENTED: [Variable; 1] = [Variable { name: "PORT", key: "port" }];

    fn read(file: &str, environment: &[(&str, &str)], flags: &[&str]) -> Result<Settings, SettingError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.toml");
        std::fs::write(&path, file).unwrap();
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let flags: Vec<_> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Layers::gather(Some(&path), &DOCUMENTED, environment, &flags)?.read()
    }

    #[test]
    fn later_layers_win() {
        let file = "port = 1\n[outer]\nname = \"f\"\non = true\n";
        assert_eq!(read(file, &[], &[]).unwrap().port, 1);
        assert_eq!(read(file, &[("PORT", "2")], &[]).unwrap().port, 2);
        assert_eq!(read(file, &[("PORT", "2"), ("THALWEG__PORT", "3")], &[]).unwrap().port, 3);
        assert_eq!(read(file, &[("PORT", "2")], &["port=4"]).unwrap().port, 4);
        assert_eq!(read(file, &[("PORT", "")], &[]).unwrap().port, 1, "empty is not set");
        let settings = read(file, &[("THALWEG__OUTER__ON", "false")], &["outer.kind=very-special"]).unwrap();
        assert_eq!(settings.outer.name.as_deref(), Some("f"));
        assert_eq!((settings.outer.on, settings.outer.kind), (false, Kind::VerySpecial));
    }

    #[test]
    fn presets_are_what_anything_else_wins_over() {
        let flags = ["outer.on=true".to_owned()];
        let presets = ["outer.on=false", "port=7", "outer.name=preset"].map(str::to_owned);
        let environment = [("PORT".to_owned(), "8".to_owned())];
        let layers = Layers::gather(None, &DOCUMENTED, environment.into_iter(), &flags).unwrap();
        let layers = layers.over(&presets).unwrap();
        let settings: Settings = layers.read().unwrap();
        assert_eq!((settings.port, settings.outer.on), (8, true));
        assert_eq!(settings.outer.name.as_deref(), Some("preset"));
        assert_eq!(layers.origin(&["outer".to_owned(), "name".to_owned()]), Origin::Demo);
    }

    #[test]
    fn a_section_set_in_part_keeps_the_other_defaults() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        struct Pipeline {
            outer: Outer,
        }
        impl Default for Pipeline {
            fn default() -> Self {
                let name = Some("of the pipeline".to_owned());
                Self { outer: Outer { name, ..Outer::default() } }
            }
        }
        let flags = ["outer.on=true".to_owned()];
        let layers = Layers::gather(None, &[], std::iter::empty(), &flags).unwrap();
        let outer = layers.read::<Pipeline>().unwrap().outer;
        assert_eq!((outer.on, outer.name.as_deref()), (true, Some("of the pipeline")));
    }

    #[test]
    fn texts_take_the_type_of_the_setting() {
        let flags = ["outer.name=7", "outer.list=[1, 2]", "outer.free.\"a.b\"=c=d"];
        let outer = read("", &[], &flags).unwrap().outer;
        assert_eq!(outer.name.as_deref(), Some("7"));
        assert_eq!(outer.list, [1, 2]);
        assert_eq!(outer.free["a.b"], "c=d");
        let outer = read("", &[("THALWEG__OUTER__FREE", "{ \"x.y\" = \"z\" }")], &[]).unwrap().outer;
        assert_eq!(outer.free["x.y"], "z");
    }

    #[test]
    fn what_can_not_be_is_named_with_key_value_origin_and_what_is_allowed() {
        let said = |file: &str, environment: &[(&str, &str)], flags: &[&str]| {
            read(file, environment, flags).unwrap_err().to_string()
        };
        let unknown = said("", &[("THALWEG__OUTER__NAMES", "x")], &[]);
        assert_eq!(
            unknown,
            "outer.names (environment: THALWEG__OUTER__NAMES): there is no such key; allowed here: name, on, kind, \
             list, free, password"
        );
        let file = said("port = 70000", &[], &[]);
        assert!(file.starts_with("port = 70000 (/"), "{file}");
        assert!(file.ends_with("s.toml): must be a whole number from 0 to 65535"), "{file}");
        assert_eq!(
            said("", &[], &["port=x"]),
            "port = \"x\" (--set): must be a whole number from 0 to 65535"
        );
        assert_eq!(
            said("", &[], &["outer.kind=odd"]),
            "outer.kind = \"odd\" (--set): must be \"plain\" or \"very-special\""
        );
        assert_eq!(said("", &[], &["outer.on=yes"]), "outer.on = \"yes\" (--set): must be true or false");
        assert!(said("", &[], &["outer=1"]).starts_with("outer = \"1\" (--set): must be a section"));
        assert_eq!(said("", &[], &["port"]), "--set port: must be KEY=VALUE");
        assert!(said("port = ", &[], &[]).contains("s.toml: TOML parse error at line 1"));
        let secret = said("[outer]\npassword = \"hunter2\"", &[], &[]);
        assert!(secret.contains("outer.password = \"***\"") && !secret.contains("hunter2"), "{secret}");
    }
}
