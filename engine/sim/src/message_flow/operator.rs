//! The operator: decodes a message event and asks for its effect on the index.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use thalweg_connectors::elasticsearch::{Document, DocumentId, DocumentSink, Field};
use thalweg_core::failure::Reason;
use thalweg_core::operator::{Operator, Output, Step};
use thalweg_core::record::Record;
use thalweg_core::sink::SinkHandle;

use crate::sabotage::Behaviour;

/// See the module's text.
#[derive(Debug)]
pub struct MessageOperator {
    index: SinkHandle<DocumentSink<Behaviour>>,
}

#[derive(Deserialize)]
struct Event<'e> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'e, str>,
    #[serde(borrow)]
    payload: &'e RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created<'e> {
    #[serde(borrow)]
    id: Cow<'e, str>,
    #[serde(borrow)]
    conversation_id: Cow<'e, str>,
    #[serde(borrow)]
    sender_id: &'e RawValue,
    #[serde(borrow)]
    content: &'e RawValue,
    #[serde(borrow)]
    tenant_id: Cow<'e, str>,
    #[serde(borrow)]
    timestamp: &'e RawValue,
    #[serde(borrow)]
    metadata: Option<&'e RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Updated<'e> {
    #[serde(borrow)]
    id: Cow<'e, str>,
    #[serde(borrow)]
    content: Option<&'e RawValue>,
    #[serde(borrow)]
    tenant_id: Cow<'e, str>,
    #[serde(borrow)]
    metadata: Option<&'e RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Deleted<'e> {
    #[serde(borrow)]
    id: Cow<'e, str>,
    #[serde(borrow)]
    tenant_id: Cow<'e, str>,
}

impl MessageOperator {
    pub(super) fn new(index: SinkHandle<DocumentSink<Behaviour>>) -> Self {
        Self { index }
    }

    fn handle(&self, record: &Record<'_>, out: &mut Output<'_>) -> Result<Step, Reason> {
        let key = record.key.ok_or_else(|| Reason::new("bad_key", "the record has no key"))?;
        let value = record.value.ok_or_else(|| Reason::new("undecodable", "the record has no value"))?;
        let event: Event<'_> = serde_json::from_slice(value).map_err(|error| undecodable(&error))?;
        match &*event.kind {
            "message.created" => self.create(key, event.payload, out)?,
            "message.updated" => self.update(key, event.payload, out)?,
            "message.deleted" => {
                let deleted: Deleted<'_> = decode(event.payload)?;
                let id = DocumentId::new(&deleted.tenant_id, key, &deleted.id)?;
                out.send(self.index, Document::Remove { id, removed_at_ms: record.timestamp_ms });
            }
            "message.read" => return Ok(Step::Filtered("reads are not indexed")),
            other => return Err(Reason::new("unknown_type", other.to_owned())),
        }
        Ok(Step::Done)
    }

    fn create(&self, key: &[u8], payload: &RawValue, out: &mut Output<'_>) -> Result<(), Reason> {
        let created: Created<'_> = decode(payload)?;
        if created.conversation_id.as_bytes() != key {
            return Err(Reason::new("bad_key", "the key is not the conversation"));
        }
        let id = DocumentId::new(&created.tenant_id, key, &created.id)?;
        let [quoted_id, conversation, tenant] =
            [&created.id, &created.conversation_id, &created.tenant_id].map(|text| quote(text));
        let plain = |name, json| Field { name, json, merge: false };
        let mut fields = vec![
            plain("id", &quoted_id),
            plain("conversationId", &conversation),
            plain("senderId", text(created.sender_id)?),
            plain("content", text(created.content)?),
            plain("tenantId", &tenant),
            plain("timestamp", text(created.timestamp)?),
        ];
        fields.extend(created.metadata.map(metadata).transpose()?);
        out.send(self.index, Document::Put { id, fields: &fields });
        Ok(())
    }

    fn update(&self, key: &[u8], payload: &RawValue, out: &mut Output<'_>) -> Result<(), Reason> {
        let updated: Updated<'_> = decode(payload)?;
        let id = DocumentId::new(&updated.tenant_id, key, &updated.id)?;
        let content = updated.content.map(text).transpose()?;
        let content = content.map(|json| Field { name: "content", json, merge: false });
        let metadata = updated.metadata.map(metadata).transpose()?;
        let fields: Vec<Field<'_>> = content.into_iter().chain(metadata).collect();
        out.send(self.index, Document::Merge { id, fields: &fields });
        Ok(())
    }
}

impl Operator for MessageOperator {
    fn process(&mut self, record: &Record<'_>, out: &mut Output<'_>) -> Step {
        self.handle(record, out).unwrap_or_else(Step::Rejected)
    }
}

/// A JSON text, as it was written.
fn text(raw: &RawValue) -> Result<&str, Reason> {
    let is_text = raw.get().starts_with('"');
    if is_text { Ok(raw.get()) } else { Err(Reason::new("undecodable", "a field is not a text")) }
}

fn metadata(raw: &RawValue) -> Result<Field<'_>, Reason> {
    let is_object = raw.get().starts_with('{');
    let field = Field { name: "metadata", json: raw.get(), merge: true };
    if is_object { Ok(field) } else { Err(Reason::new("undecodable", "metadata is not an object")) }
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn decode<'e, T: Deserialize<'e>>(payload: &'e RawValue) -> Result<T, Reason> {
    serde_json::from_str(payload.get()).map_err(|error| undecodable(&error))
}

fn undecodable(error: &serde_json::Error) -> Reason {
    Reason::new("undecodable", error.to_string())
}
