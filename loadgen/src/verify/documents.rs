//! What the index must hold, built up event by event.

use super::decode::{Change, Event};
use super::examples::Examples;
use super::mapping;
use super::reason::{Position, Reason};
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use serde_json::{Map, Value};

/// A document as it must be now.
#[derive(Debug)]
pub struct Document {
    /// Its JSON, as text: a third of the memory of a parsed one. None: deleted.
    pub source: Option<Box<str>>,
    /// The event that made it so.
    pub decided_by: Position,
    /// Whether the index was found to hold it; set while comparing.
    pub found: bool,
}

/// What an event that could be decoded came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The document is now another one.
    Changed,
    /// An update of what was deleted: nothing is done.
    Superseded,
}

/// All documents that ever were.
#[derive(Debug, Default)]
pub struct Documents {
    /// By `_id`.
    pub by_id: HashMap<Box<str>, Document>,
    /// Documents written from two partitions: no reader can say which event is the later one.
    pub ambiguous: Examples,
}

impl Documents {
    /// Applies an event.
    ///
    /// # Errors
    /// The reason why the event must be a dead letter; nothing has changed then.
    pub fn apply(&mut self, event: Event, position: Position) -> Result<Applied, Reason> {
        let id = event.document_id.into_boxed_str();
        let source = match event.change {
            Change::Created(document) => Some(accepted(document)?),
            Change::Deleted => None,
            Change::Updated { content, metadata } => {
                let base = self.by_id.get(&id).ok_or(Reason::DocumentMissing)?;
                let Some(source) = &base.source else {
                    return Ok(Applied::Superseded);
                };
                Some(accepted(merged(source, content, metadata))?)
            }
        };
        match self.by_id.entry(id) {
            Entry::Occupied(mut known) => {
                let before = known.get().decided_by;
                if before.partition != position.partition {
                    let id = known.key();
                    self.ambiguous.add(|| format!("{id}: written by {before} and {position}"));
                }
                known.insert(Document { source, decided_by: position, found: false });
            }
            Entry::Vacant(place) => {
                place.insert(Document { source, decided_by: position, found: false });
            }
        }
        Ok(Applied::Changed)
    }
}

fn accepted(document: Map<String, Value>) -> Result<Box<str>, Reason> {
    if mapping::takes(&document) {
        Ok(Value::Object(document).to_string().into_boxed_str())
    } else {
        Err(Reason::DocumentRefused)
    }
}

fn merged(source: &str, content: Option<String>, metadata: Option<Map<String, Value>>) -> Map<String, Value> {
    // Our own text of an object: it parses.
    let mut document: Map<String, Value> = serde_json::from_str(source).unwrap_or_default();
    if let Some(content) = content {
        document.insert("content".to_owned(), Value::String(content));
    }
    if let Some(metadata) = metadata {
        match document.get_mut("metadata") {
            Some(Value::Object(base)) => base.extend(metadata),
            _ => drop(document.insert("metadata".to_owned(), Value::Object(metadata))),
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const HERE: Position = Position { partition: 0, offset: 7 };

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(object) = value else { panic!("{value} is no object") };
        object
    }

    fn create(fields: Value) -> Change {
        let mut document = object(json!({"timestamp": "2023", "content": "old"}));
        document.extend(object(fields));
        Change::Created(document)
    }

    fn update(content: Option<&str>, metadata: Option<Value>) -> Change {
        Change::Updated { content: content.map(str::to_owned), metadata: metadata.map(object) }
    }

    fn after(changes: Vec<Change>) -> (Vec<Result<Applied, Reason>>, Option<Value>) {
        let mut documents = Documents::default();
        let results = changes
            .into_iter()
            .map(|change| documents.apply(Event { document_id: "d".to_owned(), change }, HERE))
            .collect();
        let source = documents.by_id.get("d").and_then(|document| document.source.as_deref());
        (results, source.map(|source| serde_json::from_str(source).unwrap()))
    }

    #[test]
    fn events_are_applied_as_the_contract_says() {
        use Applied::*;
        use Change::Deleted;
        let plain = json!({"timestamp": "2023", "content": "old"});
        let with = |fields| {
            Some(Value::Object({
                let mut document = object(plain.clone());
                document.extend(object(fields));
                document
            }))
        };
        let (ok, late) = (Ok(Changed), Ok(Superseded));
        let (missing, refused) = (Err(Reason::DocumentMissing), Err(Reason::DocumentRefused));
        let deep = (0..25).fold(json!(1), |inner, _| json!({ "a": inner }));
        for (changes, results, expected) in [
            (vec![update(Some("x"), None)], vec![missing], None),
            (vec![Deleted, update(Some("x"), None)], vec![ok, late], None),
            (vec![create(json!({})), Deleted, update(None, None)], vec![ok, ok, late], None),
            (vec![Deleted, create(json!({}))], vec![ok, ok], with(json!({}))),
            (
                vec![create(json!({"metadata": {"a": 1}})), create(json!({"content": "new"}))],
                vec![ok, ok],
                with(json!({"content": "new"})),
            ),
            (vec![create(json!({})), update(None, None)], vec![ok, ok], with(json!({}))),
            (
                vec![create(json!({})), update(None, Some(json!({"a": 1})))],
                vec![ok, ok],
                with(json!({"metadata": {"a": 1}})),
            ),
            (
                vec![
                    create(json!({"metadata": {"a": {"x": 1}, "b": 2}})),
                    update(Some("new"), Some(json!({"a": {"y": 1}, "c": null}))),
                    update(None, Some(json!({}))),
                ],
                vec![ok, ok, ok],
                with(json!({"content": "new", "metadata": {"a": {"y": 1}, "b": 2, "c": null}})),
            ),
            (vec![create(json!({"timestamp": "x"})), update(None, None)], vec![refused, missing], None),
            (vec![create(json!({})), create(json!({"timestamp": "x"}))], vec![ok, refused], with(json!({}))),
            (vec![create(json!({})), update(Some("x"), Some(deep))], vec![ok, refused], with(json!({}))),
        ] {
            let shown = format!("{changes:?}");
            assert_eq!(after(changes), (results, expected), "{shown}");
        }
    }

    #[test]
    fn a_document_written_from_two_partitions_is_noticed() {
        let mut documents = Documents::default();
        for partition in [0, 1] {
            let event = Event { document_id: "d".to_owned(), change: Change::Deleted };
            assert!(documents.apply(event, Position { partition, offset: 1 }).is_ok());
        }
        assert_eq!(documents.ambiguous.count, 1);
    }
}
