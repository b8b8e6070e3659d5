//! From bytes to an event, by the letter of the contract.

use super::nesting::too_deep;
use super::reason::Reason;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::fmt;

/// 1 MiB; a value of exactly that is read.
const VALUE_BYTES_MAX: usize = 1 << 20;
/// An `_id` of Elasticsearch.
const DOCUMENT_ID_BYTES_MAX: usize = 512;

/// An event and the document it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// `<tenant>/<key>/<id>`, `/` and `%` within tenant and key written as `%2F` and `%25`.
    pub document_id: String,
    /// What happened to it.
    pub change: Change,
}

/// What happened to a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// This is the whole document.
    Created(Map<String, Value>),
    /// What is given replaces what was; metadata does so key by key.
    Updated {
        /// The new text.
        content: Option<String>,
        /// Metadata to be merged in.
        metadata: Option<Map<String, Value>>,
    },
    /// It is gone.
    Deleted,
}

/// Decodes a record.
///
/// # Errors
/// The reason why it must be a dead letter.
pub fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Event, Reason> {
    let key = key.ok_or(Reason::MissingKey)?;
    let value = value.ok_or(Reason::Tombstone)?;
    if value.len() > VALUE_BYTES_MAX {
        return Err(Reason::TooLarge);
    }
    if too_deep(value) {
        return Err(Reason::TooDeep);
    }
    let text = std::str::from_utf8(value).map_err(|_| Reason::Undecodable)?;
    let [kind, payload] = members(text, ["type", "payload"])?;
    let kind = text_of(kind)?;
    let payload = payload.ok_or(Reason::Undecodable)?.get();
    let (tenant, id, change) = match kind.as_str() {
        "message.created" => created(payload)?,
        "message.updated" => updated(payload)?,
        "message.deleted" => {
            let [id, tenant] = members(payload, ["id", "tenantId"])?;
            (text_of(tenant)?, text_of(id)?, Change::Deleted)
        }
        _ => return Err(Reason::UnknownType),
    };
    let key = std::str::from_utf8(key).map_err(|_| Reason::BadKey)?;
    if let Change::Created(document) = &change
        && document.get("conversationId").and_then(Value::as_str) != Some(key)
    {
        return Err(Reason::KeyMismatch);
    }
    if tenant.is_empty() || id.is_empty() {
        return Err(Reason::BadId);
    }
    let document_id = format!("{}/{}/{id}", escaped(&tenant), escaped(key));
    if document_id.len() > DOCUMENT_ID_BYTES_MAX {
        return Err(Reason::IdTooLong);
    }
    Ok(Event { document_id, change })
}

type Decoded = (String, String, Change);

fn created(payload: &str) -> Result<Decoded, Reason> {
    const TEXTS: [&str; 6] = ["id", "conversationId", "senderId", "content", "tenantId", "timestamp"];
    let [id, conversation, sender, content, tenant, timestamp, metadata] = members(
        payload,
        ["id", "conversationId", "senderId", "content", "tenantId", "timestamp", "metadata"],
    )?;
    let mut document = Map::new();
    for (name, raw) in TEXTS.into_iter().zip([id, conversation, sender, content, tenant, timestamp]) {
        document.insert(name.to_owned(), Value::String(text_of(raw)?));
    }
    if let Some(metadata) = object_of(metadata)? {
        document.insert("metadata".to_owned(), Value::Object(metadata));
    }
    Ok((text_of(tenant)?, text_of(id)?, Change::Created(document)))
}

fn updated(payload: &str) -> Result<Decoded, Reason> {
    let [id, content, tenant, metadata] = members(payload, ["id", "content", "tenantId", "metadata"])?;
    let content = content.map(|raw| text_of(Some(raw))).transpose()?;
    let change = Change::Updated { content, metadata: object_of(metadata)? };
    Ok((text_of(tenant)?, text_of(id)?, change))
}

fn escaped(part: &str) -> String {
    part.replace('%', "%25").replace('/', "%2F")
}

fn value_of(raw: &RawValue) -> Result<Value, Reason> {
    serde_json::from_str(raw.get()).map_err(|_| Reason::Undecodable)
}

/// A text that must be there.
fn text_of(raw: Option<&RawValue>) -> Result<String, Reason> {
    match value_of(raw.ok_or(Reason::Undecodable)?)? {
        Value::String(text) => Ok(text),
        _ => Err(Reason::Undecodable),
    }
}

/// An object that may be absent or null.
fn object_of(raw: Option<&RawValue>) -> Result<Option<Map<String, Value>>, Reason> {
    match raw.map(value_of).transpose()? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(Reason::Undecodable),
    }
}

/// The members of an object that are asked for, each at most once there; others may be there as they like.
fn members<'a, const N: usize>(
    json: &'a str,
    names: [&'static str; N],
) -> Result<[Option<&'a RawValue>; N], Reason> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let members = Members(names).deserialize(&mut deserializer).map_err(|_| Reason::Undecodable)?;
    deserializer.end().map_err(|_| Reason::Undecodable)?;
    Ok(members)
}

struct Members<const N: usize>([&'static str; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for Members<N> {
    type Value = [Option<&'de RawValue>; N];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Members<N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        while let Some(name) = map.next_key::<String>()? {
            match self.0.iter().zip(&mut found).find(|(wanted, _)| **wanted == name) {
                Some((_, Some(_))) => return Err(A::Error::custom("a member is there twice")),
                Some((_, place)) => *place = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
