//! Aliases: other names of indices, each with a filter that hides documents from searches.

use serde_json::{Map, Value, json};

use super::answer::{self, Answer};
use super::indices::{Indices, check_name};
use super::mapping::Mapping;
use super::query;
use super::refusal::Refusal;

/// Whether an alias may be so.
pub(super) fn check(alias: &str, definition: &Value, mapping: &Mapping) -> Result<(), Refusal> {
    check_name(alias)?;
    let Some(definition) = definition.as_object() else {
        return Err(Refusal::illegal(format!("the alias [{alias}] is not an object")));
    };
    if let Some(option) = definition.keys().find(|option| *option != "filter") {
        return Err(Refusal::unsupported(format_args!("[{option}] of the alias [{alias}]")));
    }
    definition.get("filter").map_or(Ok(()), |filter| query::parse(mapping, filter).map(|_| ()))
}

/// Names an index with an alias.
pub(super) fn put(indices: &Indices, name: &str, alias: &str, definition: &Value) -> Result<(), Refusal> {
    let index = indices.target(name)?.index;
    let definition = if definition.is_null() { json!({}) } else { definition.clone() };
    check(alias, &definition, &index.state().mapping)?;
    index.set_alias(alias, Some(definition));
    Ok(())
}

/// `POST /_aliases`: actions one after the other, up to the first that can't be done.
pub(super) fn change(indices: &Indices, body: &Value) -> Answer {
    for action in body["actions"].as_array().into_iter().flatten() {
        let Some((verb, what)) = action.as_object().and_then(|action| action.iter().next()) else {
            return Err(Refusal::illegal("an action of [actions] is not an object"));
        };
        let text = |field: &str| {
            let missing = || Refusal::illegal(format!("[{field}] of the action [{verb}] is missing"));
            what[field].as_str().ok_or_else(missing)
        };
        let (name, alias) = (text("index")?, text("alias")?);
        match verb.as_str() {
            "add" => {
                let mut definition: Map<_, _> = what.as_object().cloned().unwrap_or_default();
                definition.retain(|key, _| key != "index" && key != "alias");
                put(indices, name, alias, &Value::Object(definition))?;
            }
            "remove" => {
                if !indices.target(name)?.index.set_alias(alias, None) {
                    let reason = format!("aliases [{alias}] missing");
                    return Err(Refusal::new(404, "aliases_not_found_exception", reason));
                }
            }
            other => return Err(Refusal::unsupported(format_args!("the alias action [{other}]"))),
        }
    }
    answer::acknowledged()
}

/// The indices behind an alias, each with that alias.
pub(super) fn described(indices: &Indices, alias: &str) -> Answer {
    let mut found = Map::new();
    for index in indices.all() {
        if let Some(definition) = index.state().aliases.get(alias) {
            found.insert(index.name.clone(), json!({"aliases": {alias: definition}}));
        }
    }
    if found.is_empty() {
        return Err(Refusal::new(404, "aliases_not_found_exception", format!("alias [{alias}] missing")));
    }
    answer::fine(&Value::Object(found))
}
