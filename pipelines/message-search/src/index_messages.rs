//! The operator: a message event becomes an effect on the message's document.

use thalweg::elasticsearch::{Document, DocumentId, DocumentSink, Field};
use thalweg::{Operator, Output, Reason, Record, SinkHandle, Step};

use crate::event::{self, Event, EventError, Fields, Key, NESTING_MAX};

/// The largest value: what brokers take by default.
pub(crate) const VALUE_BYTES_MAX: usize = 1 << 20;

/// Decodes message events, and puts, merges or removes the message's document.
#[derive(Debug)]
pub struct IndexMessages {
    /// Where the documents go.
    pub documents: SinkHandle<DocumentSink>,
}

impl Operator for IndexMessages {
    fn process(&mut self, record: &Record<'_>, out: &mut Output<'_>) -> Step {
        match self.index(record, out) {
            Ok(()) => Step::Done,
            Err(reason) => Step::Rejected(reason),
        }
    }
}

impl IndexMessages {
    fn index(&self, record: &Record<'_>, out: &mut Output<'_>) -> Result<(), Reason> {
        let (key, event) = read(record)?;
        match &event {
            Event::Created { id, tenant, conversation, fields } => {
                let id = created_id(tenant, key, id, conversation)?;
                put(fields, |fields| out.send(self.documents, Document::Put { id, fields }));
            }
            Event::Updated { id, tenant, fields } => {
                let id = DocumentId::new(tenant, key, id)?;
                let changes = Key::ALL.into_iter().filter(|key| matches!(key, Key::Content | Key::Metadata));
                with_fields(fields, changes, |fields| {
                    out.send(self.documents, Document::Merge { id, fields });
                });
            }
            Event::Deleted { id, tenant } => {
                let id = DocumentId::new(tenant, key, id)?;
                out.send(self.documents, Document::Remove { id, removed_at_ms: record.timestamp_ms });
            }
        }
        Ok(())
    }
}

/// The record's key and event.
fn read<'r>(record: &Record<'r>) -> Result<(&'r [u8], Event<'r>), Reason> {
    let key = record.key.ok_or_else(|| {
        Reason::new("missing_key", "the record has no key; it must be the conversation's id")
    })?;
    let value = record.value.ok_or_else(|| Reason::new("tombstone", "the record has no value"))?;
    if value.len() > VALUE_BYTES_MAX {
        let message = format!("the value has {} bytes; at most {VALUE_BYTES_MAX} are taken", value.len());
        return Err(Reason::new("too_large", message));
    }
    match event::decode(value) {
        Ok(event) => Ok((key, event)),
        Err(EventError::Undecodable(problem)) => Err(Reason::new("undecodable", problem)),
        Err(EventError::TooDeep) => {
            Err(Reason::new("too_deep", format!("the value nests deeper than {NESTING_MAX} levels")))
        }
        Err(EventError::UnknownType) => Err(Reason::new(
            "unknown_type",
            "the type is none of message.created, message.updated, message.deleted",
        )),
    }
}

/// The name of a created document: its key must be its conversation.
fn created_id<'r>(
    tenant: &'r str,
    key: &'r [u8],
    id: &'r str,
    conversation: &str,
) -> Result<DocumentId<'r>, Reason> {
    match DocumentId::new(tenant, key, id) {
        Err(reason) if reason.class == "bad_key" => Err(reason),
        _ if key != conversation.as_bytes() => {
            Err(Reason::new("key_mismatch", "the record's key is not the message's conversationId"))
        }
        named => named,
    }
}

fn put(fields: &Fields<'_>, send: impl FnOnce(&[Field<'_>])) {
    with_fields(fields, Key::ALL.into_iter(), send);
}

/// Hands on those of the fields that are there; no allocation.
fn with_fields(fields: &Fields<'_>, keys: impl Iterator<Item = Key>, send: impl FnOnce(&[Field<'_>])) {
    let mut chosen = [Field { name: "", json: "", merge: false }; Key::ALL.len()];
    let mut count = 0;
    for key in keys {
        if let Some(json) = fields.get(key) {
            chosen[count] = Field { name: key.name(), json, merge: key == Key::Metadata };
            count += 1;
        }
    }
    send(&chosen[..count]);
}
