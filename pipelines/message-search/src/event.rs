//! The message events, read from JSON without copying.
//!
//! Values that go into the index stay the JSON they are; only what names the document is decoded. Of known keys none
//! may stand twice; unknown ones are passed over. All must be UTF-8, and what goes into the index must be JSON that any
//! strict reader takes: no lone surrogates, no numbers out of range.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::{escapes, nesting, plain};

/// As deep as serde_json goes, and far deeper than events nest.
pub(crate) const NESTING_MAX: usize = 128;

/// A message event. Texts are decoded where they name the document, and JSON (quotes included) elsewhere.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'e> {
    /// A message was created.
    Created {
        /// The message.
        id: Cow<'e, str>,
        /// Its tenant.
        tenant: Cow<'e, str>,
        /// Its conversation.
        conversation: Cow<'e, str>,
        /// The payload's fields.
        fields: Fields<'e>,
    },
    /// A message was changed.
    Updated {
        /// The message.
        id: Cow<'e, str>,
        /// Its tenant.
        tenant: Cow<'e, str>,
        /// The payload's fields.
        fields: Fields<'e>,
    },
    /// A message was deleted.
    Deleted {
        /// The message.
        id: Cow<'e, str>,
        /// Its tenant.
        tenant: Cow<'e, str>,
    },
}

/// Why a value is no event.
#[derive(Debug)]
pub enum EventError {
    /// It is no JSON, or not of the form that events have.
    Undecodable(String),
    /// It nests deeper than [`NESTING_MAX`] levels.
    TooDeep,
    /// Its type is none of ours.
    UnknownType,
}

/// Fields of a payload, as JSON, in the order of [`Key`]. `None`: absent.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Fields<'e> {
    values: [Option<&'e str>; Key::ALL.len()],
}

/// The payload's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The message.
    Id,
    /// Its conversation.
    ConversationId,
    /// Its sender.
    SenderId,
    /// Its text.
    Content,
    /// Its tenant.
    TenantId,
    /// When it was sent.
    Timestamp,
    /// What else is known about it.
    Metadata,
}

impl Key {
    /// Every key.
    pub const ALL: [Self; 7] = [
        Self::Id,
        Self::ConversationId,
        Self::SenderId,
        Self::Content,
        Self::TenantId,
        Self::Timestamp,
        Self::Metadata,
    ];

    /// As it stands in the payload.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::ConversationId => "conversationId",
            Self::SenderId => "senderId",
            Self::Content => "content",
            Self::TenantId => "tenantId",
            Self::Timestamp => "timestamp",
            Self::Metadata => "metadata",
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }
}

impl<'e> Fields<'e> {
    /// The field's JSON.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&'e str> {
        self.values[key as usize]
    }

    pub(crate) fn set(&mut self, key: Key, json: &'e str) {
        self.values[key as usize] = Some(json);
    }

    fn required(&self, key: Key) -> Result<&'e str, EventError> {
        self.get(key).ok_or_else(|| EventError::Undecodable(format!("payload.{} is missing", key.name())))
    }

    fn text(&self, key: Key) -> Result<Cow<'e, str>, EventError> {
        decode_text(self.required(key)?).map_err(undecodable)
    }
}

/// What the three events are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Created,
    Updated,
    Deleted,
}

impl Kind {
    pub(crate) fn of(name: &str) -> Option<Self> {
        match name {
            "message.created" => Some(Self::Created),
            "message.updated" => Some(Self::Updated),
            "message.deleted" => Some(Self::Deleted),
            _ => None,
        }
    }

    /// Which keys its payload has; others are passed over.
    pub(crate) fn knows(self, key: Key) -> bool {
        match self {
            Self::Created => true,
            Self::Updated => matches!(key, Key::Id | Key::TenantId | Key::Content | Key::Metadata),
            Self::Deleted => matches!(key, Key::Id | Key::TenantId),
        }
    }
}

/// Reads an event.
///
/// # Errors
/// When the value is no event; the message quotes nothing of it.
pub fn decode(value: &[u8]) -> Result<Event<'_>, EventError> {
    // Where it is wrong is looked for only when it is.
    let text =
        simdutf8::basic::from_utf8(value).or_else(|_| std::str::from_utf8(value)).map_err(undecodable)?;
    let (kind, fields) = match plain::read(text) {
        Some(read) => read,
        None if nesting::is_deeper_than(NESTING_MAX, value) => return Err(EventError::TooDeep),
        None => decode_strictly(text)?,
    };
    event(kind, fields)
}

/// Reads any JSON; the stack it takes grows with the nesting.
pub(crate) fn decode_strictly(text: &str) -> Result<(Kind, Fields<'_>), EventError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let envelope = reader.deserialize_map(EnvelopeVisitor).map_err(|error| undecodable(place(&error)))?;
    reader.end().map_err(|error| undecodable(place(&error)))?;
    match envelope {
        Envelope::Unknown => Err(EventError::UnknownType),
        Envelope::Read(kind, fields) => Ok((kind, fields)),
        Envelope::Late(kind, payload) => {
            let mut reader = serde_json::Deserializer::from_str(payload.get());
            let read =
                PayloadSeed(kind).deserialize(&mut reader).map_err(|error| undecodable(place(&error)))?;
            Ok((kind, read))
        }
    }
}

fn event<'e>(kind: Kind, fields: Fields<'e>) -> Result<Event<'e>, EventError> {
    let (id, tenant) = (fields.text(Key::Id)?, fields.text(Key::TenantId)?);
    Ok(match kind {
        Kind::Created => {
            let conversation = fields.text(Key::ConversationId)?;
            for key in [Key::SenderId, Key::Content, Key::Timestamp] {
                fields.required(key)?;
            }
            Event::Created { id, tenant, conversation, fields }
        }
        Kind::Updated => Event::Updated { id, tenant, fields },
        Kind::Deleted => Event::Deleted { id, tenant },
    })
}

fn undecodable(problem: impl fmt::Display) -> EventError {
    EventError::Undecodable(problem.to_string())
}

/// What serde_json says, without what it quotes of the value.
fn place(error: &serde_json::Error) -> String {
    let said = error.to_string();
    match said.rfind(", expected ") {
        Some(at) if said.starts_with("invalid ") => said[at + 2..].to_owned(),
        _ => said,
    }
}

/// The outer object.
enum Envelope<'e> {
    /// The type stood first: the payload has been read by it.
    Read(Kind, Fields<'e>),
    /// The payload stood first.
    Late(Kind, &'e RawValue),
    Unknown,
}

struct EnvelopeVisitor;

impl<'e> Visitor<'e> for EnvelopeVisitor {
    type Value = Envelope<'e>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event: an object with type and payload")
    }

    fn visit_map<M: MapAccess<'e>>(self, mut map: M) -> Result<Envelope<'e>, M::Error> {
        let mut kind: Option<Option<Kind>> = None;
        let (mut read, mut late) = (None, None);
        while let Some(key) = map.next_key_seed(NameSeed)? {
            match key.as_ref() {
                "type" if kind.is_some() => return Err(M::Error::custom("type stands twice")),
                "type" => kind = Some(Kind::of(&map.next_value_seed(NameSeed)?)),
                "payload" if read.is_some() || late.is_some() => {
                    return Err(M::Error::custom("payload stands twice"));
                }
                "payload" => match kind {
                    Some(Some(kind)) => read = Some((kind, map.next_value_seed(PayloadSeed(kind))?)),
                    _ => late = Some(map.next_value()?),
                },
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        match (kind, read, late) {
            (None, ..) => Err(M::Error::custom("type is missing")),
            (_, None, None) => Err(M::Error::custom("payload is missing")),
            (_, Some((kind, fields)), _) => Ok(Envelope::Read(kind, fields)),
            (Some(Some(kind)), None, Some(payload)) => Ok(Envelope::Late(kind, payload)),
            (Some(None), None, Some(_)) => Ok(Envelope::Unknown),
        }
    }
}

/// A payload, read by the event's type.
struct PayloadSeed(Kind);

impl<'e> DeserializeSeed<'e> for PayloadSeed {
    type Value = Fields<'e>;

    fn deserialize<D: Deserializer<'e>>(self, reader: D) -> Result<Fields<'e>, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'e> Visitor<'e> for PayloadSeed {
    type Value = Fields<'e>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a payload: an object")
    }

    fn visit_map<M: MapAccess<'e>>(self, mut map: M) -> Result<Fields<'e>, M::Error> {
        let mut fields = Fields::default();
        let mut seen = [false; Key::ALL.len()];
        while let Some(name) = map.next_key_seed(NameSeed)? {
            let Some(key) = Key::of(&name).filter(|key| self.0.knows(*key)) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if std::mem::replace(&mut seen[key as usize], true) {
                return Err(M::Error::custom(format_args!("payload.{} stands twice", key.name())));
            }
            let json = map.next_value::<&RawValue>()?.get();
            fields.values[key as usize] = checked(key, json).map_err(M::Error::custom)?;
        }
        Ok(fields)
    }
}

/// A field's JSON, if it is of the field's type.
fn checked(key: Key, json: &str) -> Result<Option<&str>, String> {
    match (key, json.as_bytes().first()) {
        (Key::Metadata, Some(b'{')) => check_sound(json).map(|()| Some(json)),
        (Key::Metadata, _) if json == "null" => Ok(None),
        (Key::Metadata, _) => Err("payload.metadata must be an object or null".to_owned()),
        (_, Some(b'"')) => {
            // Only an escape can be wrong in what has passed as JSON so far.
            escapes::check(json.as_bytes()).map(|()| Some(json))
        }
        _ => Err(format!("payload.{} must be a string", key.name())),
    }
}

/// The text that a JSON string stands for.
fn decode_text(json: &str) -> Result<Cow<'_, str>, String> {
    let inner = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(inner) if memchr::memchr(b'\\', inner.as_bytes()).is_none() => Ok(Cow::Borrowed(inner)),
        _ => serde_json::from_str(json).map(Cow::Owned).map_err(|error| error.to_string()),
    }
}

/// Refuses what passes as JSON only as long as nobody looks inside.
fn check_sound(json: &str) -> Result<(), String> {
    serde_json::Deserializer::from_str(json).deserialize_any(Sound).map_err(|error| error.to_string())
}

/// Looks at every text and number, and keeps nothing.
struct Sound;

impl<'e> DeserializeSeed<'e> for Sound {
    type Value = ();

    fn deserialize<D: Deserializer<'e>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'e> Visitor<'e> for Sound {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'e>>(self, mut items: S) -> Result<(), S::Error> {
        while items.next_element_seed(Sound)?.is_some() {}
        Ok(())
    }

    fn visit_map<M: MapAccess<'e>>(self, mut map: M) -> Result<(), M::Error> {
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(Sound)?;
        }
        Ok(())
    }
}

/// A key, or the type's name.
struct NameSeed;

impl<'e> DeserializeSeed<'e> for NameSeed {
    type Value = Cow<'e, str>;

    fn deserialize<D: Deserializer<'e>>(self, reader: D) -> Result<Cow<'e, str>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'e> Visitor<'e> for NameSeed {
    type Value = Cow<'e, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'e str) -> Result<Cow<'e, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'e, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}
