//! Bad input, one kind per way a record can be unprocessable. Which records are poison is not told to anybody:
//! the verifier finds out by reading the topic.

use super::event::{self, Parts};
use super::generator::Record;
use clap::ValueEnum;
use fastrand::Rng;
use serde_json::{Value, json};

/// More than any value may have (1 MiB).
const TOO_LARGE_BYTES: usize = (1 << 20) + 1;
/// Brings down parsers that use the stack.
const TOO_DEEP_LEVELS: usize = 100_000;
/// More than an `_id` of Elasticsearch may have (512).
const LONG_ID_BYTES: usize = 600;

/// A way to be unprocessable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub enum Poison {
    /// JSON cut somewhere
    Truncated,
    /// Bytes that are not UTF-8 within a text
    NotUtf8,
    /// An event type that does not exist
    UnknownType,
    /// A number, list or text where something else belongs
    WrongTypes,
    /// A payload without id
    MissingId,
    /// A record without key
    NullKey,
    /// A create whose key is not its conversation
    WrongKey,
    /// An id of 600 bytes
    LongId,
    /// An update of what never existed
    MissingDocument,
    /// A timestamp that is no date: decodes, but the index refuses it
    Mapping,
    /// A record without value
    Tombstone,
    /// A value of no bytes
    Empty,
    /// JSON that is no object
    NotAnObject,
    /// The same field twice
    DuplicateFields,
    /// An id of no bytes
    EmptyId,
    /// A tenant of no bytes
    EmptyTenant,
    /// A key that is not UTF-8
    KeyNotUtf8,
    /// An update of an existing message by another tenant
    OtherTenant,
    /// JSON 100,000 levels deep (300 KB)
    TooDeep,
    /// A value of 1 MiB and one byte
    TooLarge,
}

impl Poison {
    /// What a run contains unless told otherwise.
    pub const DEFAULT: [Self; 11] = [
        Self::Truncated,
        Self::NotUtf8,
        Self::UnknownType,
        Self::WrongTypes,
        Self::MissingId,
        Self::NullKey,
        Self::WrongKey,
        Self::LongId,
        Self::MissingDocument,
        Self::Mapping,
        Self::Tombstone,
    ];

    /// Its name on the command line and in reports.
    #[must_use]
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Writes it. `parts` is a sound create of a document that never was (for [`Self::OtherTenant`]: one that is
    /// there), the record has the conversation as its key.
    pub fn write(self, record: &mut Record, parts: &Parts<'_>, rng: &mut Rng) {
        match self {
            Self::Truncated | Self::NotUtf8 | Self::Empty => self.write_damaged(record, parts, rng),
            Self::NullKey | Self::WrongKey | Self::KeyNotUtf8 => self.write_badly_keyed(record, parts),
            Self::UnknownType | Self::WrongTypes | Self::MissingId | Self::NotAnObject => {
                record.set_value(|out| event::created(out, parts));
                let sound = record.value().and_then(|value| serde_json::from_slice::<Value>(value).ok());
                if let Some(mut value) = sound {
                    self.change(&mut value, rng);
                    record.set_value(|out| out.extend_from_slice(value.to_string().as_bytes()));
                }
            }
            Self::LongId => {
                let id = vec![b'a'; LONG_ID_BYTES];
                record.set_value(|out| event::created(out, &Parts { id: &id, ..*parts }));
            }
            Self::MissingDocument => record.set_value(|out| event::updated(out, parts)),
            Self::OtherTenant => {
                record.set_value(|out| event::updated(out, &Parts { tenant: b"intruder", ..*parts }));
            }
            Self::Mapping => {
                let parts = Parts { timestamp: b"not-a-date", ..*parts };
                record.set_value(|out| event::created(out, &parts));
            }
            Self::Tombstone => record.clear_value(),
            Self::DuplicateFields => {
                let id = [parts.id, br#"","id":""#, parts.id].concat();
                record.set_value(|out| event::created(out, &Parts { id: &id, ..*parts }));
            }
            Self::EmptyId => record.set_value(|out| event::created(out, &Parts { id: b"", ..*parts })),
            Self::EmptyTenant => {
                record.set_value(|out| event::created(out, &Parts { tenant: b"", ..*parts }))
            }
            Self::TooDeep => {
                let deep = ["{\"a\":".repeat(TOO_DEEP_LEVELS), "}".repeat(TOO_DEEP_LEVELS)].join("1");
                let parts = Parts { metadata: Some(deep.as_bytes()), ..*parts };
                record.set_value(|out| event::created(out, &parts));
            }
            Self::TooLarge => record.set_value(|out| {
                event::created(out, &Parts { content: Some(b""), ..*parts });
                let missing = TOO_LARGE_BYTES.saturating_sub(out.len());
                let content = vec![b'x'; missing];
                out.clear();
                event::created(out, &Parts { content: Some(&content), ..*parts });
            }),
        }
    }

    fn write_damaged(self, record: &mut Record, parts: &Parts<'_>, rng: &mut Rng) {
        record.set_value(|out| match self {
            Self::NotUtf8 => event::created(out, &Parts { content: Some(b"\xff\xfe caf\xe9"), ..*parts }),
            Self::Truncated => {
                event::created(out, parts);
                // At least one byte stays and one goes: the empty value is a kind of its own.
                out.truncate(rng.usize(1..out.len()));
            }
            _ => out.clear(),
        });
    }

    fn write_badly_keyed(self, record: &mut Record, parts: &Parts<'_>) {
        record.set_value(|out| event::created(out, parts));
        match self {
            Self::NullKey => record.clear_key(),
            Self::WrongKey => {
                // Still a key like others, but nobody's.
                let mut key = parts.conversation.to_vec();
                key.reverse();
                key.push(b'x');
                record.set_key(&key);
            }
            _ => record.set_key(&[parts.conversation, b"\xff\xfe"].concat()),
        }
    }

    fn change(self, value: &mut Value, rng: &mut Rng) {
        match self {
            Self::UnknownType => value["type"] = json!("message.archived"),
            Self::MissingId => {
                value["payload"].as_object_mut().map(|payload| payload.remove("id"));
            }
            Self::NotAnObject => *value = json!(["message.created", value["payload"]]),
            _ => match rng.u8(..7) {
                0 => value["payload"]["content"] = json!(42),
                1 => value["payload"]["id"] = json!(17),
                2 => value["payload"]["metadata"] = json!([1, 2]),
                3 => value["payload"]["tenantId"] = Value::Null,
                4 => value["payload"] = json!("created"),
                5 => value["type"] = json!(5),
                _ => value["payload"]["timestamp"] = json!(1_692_095_400),
            },
        }
    }
}
