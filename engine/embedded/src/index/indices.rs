//! The indices by name, and what an alias stands for.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use serde_json::{Map, Value, json};

use super::aliases;
use super::documents::Documents;
use super::full_text::FullText;
use super::mapping::Mapping;
use super::refusal::Refusal;
use super::settings::Settings;

/// Each has threads and a writer's buffers of its own.
const INDICES_MAX: usize = 20;

/// Elasticsearch's limit for a name.
const NAME_BYTES_MAX: usize = 255;

/// One index.
pub(super) struct Index {
    pub(super) name: String,
    pub(super) documents: Arc<Mutex<Documents>>,
    pub(super) full_text: FullText,
    state: Mutex<State>,
}

/// What of an index may change, besides its documents.
#[derive(Clone)]
pub(super) struct State {
    pub(super) mapping: Arc<Mapping>,
    pub(super) settings: Settings,
    pub(super) aliases: Map<String, Value>,
}

/// An index as a request names it: by itself, or by an alias that may hide a part of it.
pub(super) struct Target {
    pub(super) index: Arc<Index>,
    pub(super) is_alias: bool,
    pub(super) filter: Option<Value>,
}

impl Index {
    fn new(name: &str, body: &Map<String, Value>) -> Result<Self, Refusal> {
        let part = |part: &str| match body.get(part) {
            None => Ok(Map::new()),
            Some(Value::Object(entries)) => Ok(entries.clone()),
            Some(_) => Err(Refusal::illegal(format!("[{part}] is not an object"))),
        };
        if let Some(other) =
            body.keys().find(|key| !matches!(key.as_str(), "mappings" | "settings" | "aliases"))
        {
            return Err(Refusal::illegal(format!("unknown key [{other}] for create index")));
        }
        let (mapping, schema) = Mapping::new(part("mappings")?)?;
        let settings = Settings::default().changed(&Value::Object(part("settings")?))?;
        let aliases = part("aliases")?;
        aliases.iter().try_for_each(|(alias, definition)| aliases::check(alias, definition, &mapping))?;
        let documents = Arc::new(Mutex::new(Documents::default()));
        let full_text = FullText::start(schema, Arc::clone(&documents))?;
        let state = Mutex::new(State { mapping: Arc::new(mapping), settings: Settings::default(), aliases });
        let index = Self { name: name.to_owned(), documents, full_text, state };
        index.set(settings);
        Ok(index)
    }

    pub(super) fn state(&self) -> State {
        self.state.lock().clone()
    }

    /// Puts other settings in force.
    pub(super) fn set(&self, settings: Settings) {
        self.full_text.set_interval(settings.refresh_interval);
        self.documents.lock().remember_deletes(settings.gc_deletes);
        self.state.lock().settings = settings;
    }

    /// Changes the mapping as far as it can be changed.
    pub(super) fn update_mapping(&self, change: &Map<String, Value>) -> Result<(), Refusal> {
        Arc::make_mut(&mut self.state.lock().mapping).update(change)
    }

    pub(super) fn set_alias(&self, alias: &str, definition: Option<Value>) -> bool {
        let aliases = &mut self.state.lock().aliases;
        match definition {
            Some(definition) => {
                aliases.insert(alias.to_owned(), definition);
                true
            }
            None => aliases.remove(alias).is_some(),
        }
    }

    /// As `GET /INDEX` shows it.
    pub(super) fn described(&self) -> Value {
        let State { mapping, settings, aliases } = self.state();
        json!({"aliases": aliases, "mappings": mapping.body(), "settings": settings.as_json()})
    }
}

/// All indices.
pub(super) struct Indices {
    by_name: RwLock<BTreeMap<String, Arc<Index>>>,
    bytes_max: u64,
}

impl Indices {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { by_name: RwLock::new(BTreeMap::new()), bytes_max }
    }

    pub(super) fn create(&self, name: &str, body: &Map<String, Value>) -> Result<(), Refusal> {
        check_name(name)?;
        let mut by_name = self.by_name.write();
        if by_name.contains_key(name) {
            let reason = format!("index [{name}/embedded] already exists");
            return Err(Refusal::new(400, "resource_already_exists_exception", reason));
        }
        if by_name.values().any(|index| index.state.lock().aliases.contains_key(name)) {
            let reason = format!("Invalid index name [{name}], already exists as alias");
            return Err(Refusal::new(400, "invalid_index_name_exception", reason));
        }
        if by_name.len() >= INDICES_MAX {
            let reason = format!("the embedded index server has {INDICES_MAX} indices and makes no more");
            return Err(Refusal::new(400, "validation_exception", reason));
        }
        by_name.insert(name.to_owned(), Arc::new(Index::new(name, body)?));
        Ok(())
    }

    pub(super) fn delete(&self, name: &str) -> Result<(), Refusal> {
        let index = self.by_name.write().remove(name);
        if index.is_some() {
            return Ok(());
        }
        if self.behind(name).is_empty() {
            return Err(Refusal::missing(name));
        }
        let reason = format!(
            "The provided expression [{name}] matches an alias, specify the corresponding concrete indices instead."
        );
        Err(Refusal::illegal(reason))
    }

    /// Every index that goes by that name, itself or by an alias.
    pub(super) fn behind(&self, name: &str) -> Vec<Arc<Index>> {
        let by_name = self.by_name.read();
        if let Some(index) = by_name.get(name) {
            return vec![Arc::clone(index)];
        }
        by_name
            .values()
            .filter(|index| index.state.lock().aliases.contains_key(name))
            .map(Arc::clone)
            .collect()
    }

    /// The one index that goes by that name.
    pub(super) fn target(&self, name: &str) -> Result<Target, Refusal> {
        let mut found = self.behind(name);
        let Some(index) = found.pop() else { return Err(Refusal::missing(name)) };
        if !found.is_empty() {
            return Err(Refusal::unsupported(format_args!(
                "requests to several indices: alias [{name}] has more than one index associated with it"
            )));
        }
        let alias = index.state.lock().aliases.get(name).cloned();
        let filter = alias.as_ref().and_then(|alias| alias.get("filter")).cloned();
        Ok(Target { index, is_alias: alias.is_some(), filter })
    }

    pub(super) fn all(&self) -> Vec<Arc<Index>> {
        self.by_name.read().values().map(Arc::clone).collect()
    }

    /// The memory that all documents and their full-text indices take.
    pub(super) fn bytes(&self) -> u64 {
        self.by_name
            .read()
            .values()
            .map(|index| index.documents.lock().bytes() + index.full_text.bytes())
            .sum()
    }

    /// Whether there is room for so many bytes more.
    pub(super) fn has_room(&self, bytes: u64) -> Result<(), Refusal> {
        let (held, max) = (self.bytes(), self.bytes_max);
        if held + bytes <= max {
            return Ok(());
        }
        Err(Refusal::full(format!(
            "the embedded index holds {held} of at most {max} bytes, and {bytes} more would pass that: it is for trying \
             out, not for keeping data"
        )))
    }
}

/// Whether an index or alias may have that name.
pub(super) fn check_name(name: &str) -> Result<(), Refusal> {
    let allowed = |byte: u8| !byte.is_ascii_uppercase() && !b"\\/*?\"<>| ,#:".contains(&byte) && byte >= b' ';
    let starts_well = !name.starts_with(['-', '_', '+']) && name != "." && name != "..";
    if starts_well && (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(Refusal::new(400, "invalid_index_name_exception", format!("Invalid index name [{name}]")))
}
