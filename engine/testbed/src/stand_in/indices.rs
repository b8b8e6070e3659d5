//! The indices and aliases of a stand-in.

use serde_json::{Map, Value, json};

use super::documents::Documents;

/// Indices it makes at most; more is a mistake of the test.
const INDICES_MAX: usize = 1_000;

#[derive(Debug, Default)]
struct Index {
    name: String,
    settings: Value,
    mappings: Map<String, Value>,
    /// Alias to its definition.
    aliases: Map<String, Value>,
    documents: Documents,
}

/// All indices; few, so a list.
#[derive(Debug, Default)]
pub(super) struct Indices {
    all: Vec<Index>,
}

impl Indices {
    /// The index behind a name or alias, and its documents; made if there is none, as Elasticsearch does.
    pub(super) fn documents(&mut self, name: &str) -> (&str, &mut Documents) {
        let position = self.position(name).unwrap_or_else(|| {
            assert!(self.all.len() < INDICES_MAX, "more than {INDICES_MAX} indices");
            self.all.push(Index { name: name.to_owned(), ..Index::default() });
            self.all.len() - 1
        });
        let Index { name, documents, .. } = &mut self.all[position];
        (name, documents)
    }

    /// Makes an index from a create request's body; false when the name is taken.
    pub(super) fn create(&mut self, name: &str, body: &Value) -> bool {
        if self.position(name).is_some() || self.all.len() >= INDICES_MAX {
            return false;
        }
        let object = |field: &str| body.get(field).and_then(Value::as_object).cloned().unwrap_or_default();
        self.all.push(Index {
            name: name.to_owned(),
            settings: Value::Object(object("settings")),
            mappings: object("mappings"),
            aliases: object("aliases"),
            documents: Documents::default(),
        });
        true
    }

    /// Removes an index; false when there is none.
    pub(super) fn delete(&mut self, name: &str) -> bool {
        self.position(name).map(|position| self.all.remove(position)).is_some()
    }

    /// Adds to an index's mapping: properties one by one, everything else (such as `_meta`) whole.
    pub(super) fn put_mapping(&mut self, name: &str, more: &Value) -> bool {
        let Some(position) = self.position(name) else { return false };
        let mappings = &mut self.all[position].mappings;
        for (field, value) in more.as_object().into_iter().flatten() {
            match (mappings.get_mut(field), value) {
                (Some(Value::Object(known)), Value::Object(new)) if field == "properties" => {
                    known.extend(new.clone());
                }
                _ => {
                    mappings.insert(field.clone(), value.clone());
                }
            }
        }
        true
    }

    /// Gives an index an alias; false when there is no such index.
    pub(super) fn put_alias(&mut self, name: &str, alias: &str, definition: &Value) -> bool {
        let Some(position) = self.position(name) else { return false };
        self.all[position].aliases.insert(alias.to_owned(), definition.clone());
        true
    }

    /// Takes an alias from an index; false when there is no such index or alias.
    pub(super) fn remove_alias(&mut self, name: &str, alias: &str) -> bool {
        let position = self.position(name);
        position.and_then(|position| self.all[position].aliases.remove(alias)).is_some()
    }

    /// What `GET /name` answers (an object by index name, holding `part` of it, or all), if there is such an index.
    pub(super) fn describe(&self, name: &str, part: Option<&str>) -> Option<Value> {
        let index = &self.all[self.position(name)?];
        let whole = json!({"aliases": index.aliases, "mappings": index.mappings, "settings": index.settings});
        let shown = match part {
            None => whole,
            Some(part) => json!({part: whole.get(part).cloned().unwrap_or_default()}),
        };
        Some(json!({index.name.as_str(): shown}))
    }

    /// Who has this alias, as `GET /_alias/name` answers.
    pub(super) fn with_alias(&self, alias: &str) -> Option<Value> {
        let having: Map<String, Value> = self
            .all
            .iter()
            .filter_map(|index| {
                let definition = index.aliases.get(alias)?;
                Some((index.name.clone(), json!({"aliases": {alias: definition}})))
            })
            .collect();
        (!having.is_empty()).then_some(Value::Object(having))
    }

    /// Every document: index, id, version, source.
    pub(super) fn every_document(&self) -> impl Iterator<Item = (&str, &str, u64, &bytes::Bytes)> {
        self.all.iter().flat_map(|index| {
            index.documents.iter().map(|(id, version, source)| (index.name.as_str(), id, version, source))
        })
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.all
            .iter()
            .position(|index| index.name == name)
            .or_else(|| self.all.iter().position(|index| index.aliases.contains_key(name)))
    }
}
