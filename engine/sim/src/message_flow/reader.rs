//! The sequential reader: what a correct program that reads the log once, in order, would leave. Naive on purpose,
//! and with nothing of the engine in it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::traffic::{BREAKS_REQUEST, NO_DATE};
use crate::broker::log::LogRecord;
use crate::flow::{Fate, Holds};
use crate::plan::REQUEST_BYTES_MAX;

/// A document: `None` once it was deleted.
type Document = Option<Map<String, Value>>;

#[derive(Debug, Default)]
pub(super) struct Reader {
    documents: BTreeMap<String, Document>,
}

/// Why a record is no event of ours.
struct Rejected;

impl Reader {
    pub(super) fn read(&mut self, record: &LogRecord) -> Fate {
        match self.event(record) {
            Ok(fate) => fate,
            Err(Rejected) if record.key.is_some() => Fate::DeadLettered { holds: Holds::Key },
            Err(Rejected) => Fate::DeadLettered { holds: Holds::Nothing },
        }
    }

    fn event(&mut self, record: &LogRecord) -> Result<Fate, Rejected> {
        let key = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok()).ok_or(Rejected)?;
        let value = record.value.as_deref().ok_or(Rejected)?;
        let event: Value = serde_json::from_slice(value).map_err(|_| Rejected)?;
        let kind = event["type"].as_str().ok_or(Rejected)?;
        let payload = event.get("payload").ok_or(Rejected)?;
        if kind == "message.read" {
            return Ok(Fate::Filtered);
        }
        let text = |name: &str| payload[name].as_str().ok_or(Rejected);
        if !["message.created", "message.updated", "message.deleted"].contains(&kind) {
            return Err(Rejected);
        }
        let name = format!("{}/{key}/{}", text("tenantId")?, text("id")?);
        match kind {
            "message.created" => {
                let created = created(payload, key)?;
                if name.len() > 512 {
                    return Err(Rejected);
                }
                Ok(self.create(name, created))
            }
            _ if name.len() > 512 => Err(Rejected),
            "message.updated" => {
                let content = optional(payload, "content", Value::is_string)?;
                let metadata = optional(payload, "metadata", Value::is_object)?;
                Ok(self.update(name, content, metadata))
            }
            _ => {
                self.documents.insert(name.clone(), None);
                Ok(Fate::Applied { domain: name })
            }
        }
    }

    fn create(&mut self, name: String, created: Map<String, Value>) -> Fate {
        if created["timestamp"] == NO_DATE || is_refused(&created["content"]) {
            return Fate::DeadLettered { holds: Holds::Domain(name) };
        }
        self.documents.insert(name.clone(), Some(created));
        Fate::Applied { domain: name }
    }

    fn update(&mut self, name: String, content: Option<&Value>, metadata: Option<&Value>) -> Fate {
        let Some(known) = self.documents.get_mut(&name) else {
            return Fate::DeadLettered { holds: Holds::Domain(name) };
        };
        let Some(document) = known else { return Fate::Superseded };
        if content.is_some_and(is_refused) {
            return Fate::DeadLettered { holds: Holds::Domain(name) };
        }
        if let Some(content) = content {
            document.insert("content".to_owned(), content.clone());
        }
        if let Some(Value::Object(changes)) = metadata {
            let old = document.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(old) = old {
                old.extend(changes.clone());
            }
        }
        Fate::Applied { domain: name }
    }

    /// Forgets documents.
    pub(super) fn forget(&mut self, which: impl Fn(&str) -> bool) {
        self.documents.retain(|name, _| !which(name));
    }

    /// Every document, tombstones too.
    pub(super) fn documents(&self) -> &BTreeMap<String, Document> {
        &self.documents
    }
}

/// Whether the index refuses a document for this content.
fn is_refused(content: &Value) -> bool {
    content.as_str().is_some_and(|text| text.len() > REQUEST_BYTES_MAX || text.contains(BREAKS_REQUEST))
}

fn created(payload: &Value, key: &str) -> Result<Map<String, Value>, Rejected> {
    let mut document = Map::new();
    for name in ["id", "conversationId", "senderId", "content", "tenantId", "timestamp"] {
        let text = payload[name].as_str().ok_or(Rejected)?;
        document.insert(name.to_owned(), text.into());
    }
    if document["conversationId"] != key {
        return Err(Rejected);
    }
    if let Some(metadata) = optional(payload, "metadata", Value::is_object)? {
        document.insert("metadata".to_owned(), metadata.clone());
    }
    Ok(document)
}

fn optional<'v>(
    payload: &'v Value,
    name: &str,
    fits: impl Fn(&Value) -> bool,
) -> Result<Option<&'v Value>, Rejected> {
    match payload.get(name) {
        Some(value) if !fits(value) => Err(Rejected),
        found => Ok(found),
    }
}
