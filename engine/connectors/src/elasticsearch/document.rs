//! What operators ask of a document index: put, merge, remove; and how a document is named.

use std::fmt::Write as _;

use thalweg_core::failure::Reason;
use thalweg_core::sink::Domain;

use super::entries::Entries;
use super::json;

/// Elasticsearch's own limit for `_id`.
pub const ID_BYTES_MAX: usize = 512;

/// An effect on one document. Effects on a document are applied in the order of the log; one that comes too late
/// (something newer was applied already) does nothing.
#[derive(Debug, Clone, Copy)]
pub enum Document<'e> {
    /// Makes these fields the whole document, whatever was there, also after a removal.
    Put {
        /// Which document.
        id: DocumentId<'e>,
        /// All of its fields, in order, with distinct names.
        fields: &'e [Field<'e>],
    },
    /// Changes these fields of a document that is there; the others stay. Refused as `document_missing` when it never
    /// was, superseded when it has been removed.
    Merge {
        /// Which document.
        id: DocumentId<'e>,
        /// The fields that change, with distinct names.
        fields: &'e [Field<'e>],
    },
    /// Removes the document: what replaces it is a tombstone that readers don't see. Removing what is not there is
    /// done, and remembered too.
    Remove {
        /// Which document.
        id: DocumentId<'e>,
        /// The timestamp of the record that asks for it, ms since 1970: the purge takes the tombstone when this is
        /// older than the topic's retention. A tombstone without one (a negative timestamp) is never purged.
        removed_at_ms: i64,
    },
}

/// One field of a document.
#[derive(Debug, Clone, Copy)]
pub struct Field<'e> {
    /// Its name, unescaped.
    pub name: &'e str,
    /// Its value: one valid JSON value. Line breaks between its tokens are fine.
    pub json: &'e str,
    /// Merge it as an object: key by key, one level deep; `null` is a value like others, and of a key that occurs
    /// twice the last one counts. A value that is no object, or meets none, replaces.
    pub merge: bool,
}

/// Names a document by tenant, record key and message id, so that an event of another tenant or with another key
/// finds no document instead of harming one, and versions compete only within one key of one partition.
///
/// As `_id`: tenant and key with `%` and `/` percent-encoded, then the id as it is, joined by `/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentId<'e> {
    tenant: &'e str,
    key: &'e str,
    id: &'e str,
}

impl<'e> DocumentId<'e> {
    /// The name of document `id` of `tenant`, asked for by a record with that key.
    ///
    /// # Errors
    /// `bad_key`: the key is not UTF-8. `bad_id`: tenant or id is empty. `id_too_long`: `_id` would have more than
    /// [`ID_BYTES_MAX`] bytes.
    pub fn new(tenant: &'e str, key: &'e [u8], id: &'e str) -> Result<Self, Reason> {
        let Ok(key) = std::str::from_utf8(key) else {
            return Err(Reason::new("bad_key", "the record's key is not UTF-8"));
        };
        if tenant.is_empty() || id.is_empty() {
            let which = if id.is_empty() { "the document's id is empty" } else { "the tenant is empty" };
            return Err(Reason::new("bad_id", which));
        }
        let len = encoded_len(tenant) + encoded_len(key) + id.len() + 2;
        if len > ID_BYTES_MAX {
            return Err(Reason::new("id_too_long", format!("_id would have {len} of {ID_BYTES_MAX} bytes")));
        }
        Ok(Self { tenant, key, id })
    }

    fn push(&self, into: &mut Vec<u8>) {
        push_encoded(into, self.tenant);
        into.push(b'/');
        push_encoded(into, self.key);
        into.push(b'/');
        into.extend_from_slice(self.id.as_bytes());
    }
}

impl std::fmt::Display for DocumentId<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bytes = Vec::new();
        self.push(&mut bytes);
        formatter.write_str(&String::from_utf8_lossy(&bytes))
    }
}

fn is_separator(byte: u8) -> bool {
    byte == b'/' || byte == b'%'
}

fn encoded_len(text: &str) -> usize {
    text.len() + 2 * text.bytes().filter(|&byte| is_separator(byte)).count()
}

fn push_encoded(into: &mut Vec<u8>, text: &str) {
    if !text.bytes().fold(false, |special, byte| special | is_separator(byte)) {
        into.extend_from_slice(text.as_bytes());
        return;
    }
    for byte in text.bytes() {
        match byte {
            b'/' => into.extend_from_slice(b"%2F"),
            b'%' => into.extend_from_slice(b"%25"),
            _ => into.push(byte),
        }
    }
}

/// An effect as it lies in a lane:
/// - kind (1 byte), length of `_id` (2 bytes, little-endian), `_id`;
/// - put, remove: the document as one line of JSON;
/// - merge: fields, each: merge flag (1), length of the name (4), length of the value (4), name, value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Effect<'e> {
    pub(super) kind: Kind,
    /// UTF-8, as [`encode`] wrote it; bytes, because it is looked at several times a flight and read as text never.
    pub(super) id: &'e [u8],
    pub(super) body: &'e [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Put = 1,
    Merge = 2,
    Remove = 3,
}

/// Appends the effect's bytes; its order domain is the document.
pub(super) fn encode(effect: Document<'_>, into: &mut Vec<u8>) -> Domain {
    let (kind, id) = match &effect {
        Document::Put { id, .. } => (Kind::Put, id),
        Document::Merge { id, .. } => (Kind::Merge, id),
        Document::Remove { id, .. } => (Kind::Remove, id),
    };
    into.push(kind as u8);
    let length = into.len();
    into.extend_from_slice(&[0, 0]);
    id.push(into);
    let id_bytes = &into[length + 2..];
    let domain = Domain(xxhash_rust::xxh3::xxh3_64(id_bytes));
    let id_len = id_bytes.len() as u16;
    into[length..length + 2].copy_from_slice(&id_len.to_le_bytes());
    match effect {
        Document::Put { fields, .. } => push_document(into, fields),
        Document::Merge { fields, .. } => fields.iter().for_each(|field| push_field(into, field)),
        Document::Remove { removed_at_ms, .. } => push_tombstone(into, removed_at_ms),
    }
    domain
}

fn push_document(into: &mut Vec<u8>, fields: &[Field<'_>]) {
    into.push(b'{');
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            into.push(b',');
        }
        into.push(b'"');
        json::push_escaped(into, field.name.as_bytes());
        into.extend_from_slice(b"\":");
        // Elasticsearch refuses a key that occurs twice; where merging would settle it, putting does too.
        match field.merge.then(|| Entries::parse(field.json)).flatten() {
            Some(entries) if entries.had_duplicates() => {
                let mut settled = Vec::new();
                entries.write(&mut settled);
                json::push_on_one_line(into, &settled);
            }
            _ => json::push_on_one_line(into, field.json.as_bytes()),
        }
    }
    into.push(b'}');
}

fn push_field(into: &mut Vec<u8>, field: &Field<'_>) {
    into.push(u8::from(field.merge));
    into.extend_from_slice(&(field.name.len() as u32).to_le_bytes());
    into.extend_from_slice(&(field.json.len() as u32).to_le_bytes());
    into.extend_from_slice(field.name.as_bytes());
    json::push_on_one_line(into, field.json.as_bytes());
}

fn push_tombstone(into: &mut Vec<u8>, removed_at_ms: i64) {
    let mut text = String::from("{\"deleted\":true");
    if removed_at_ms >= 0 {
        let _ = write!(text, ",\"deletedAt\":{removed_at_ms}");
    }
    text.push('}');
    into.extend_from_slice(text.as_bytes());
}

impl<'e> Effect<'e> {
    /// Reads what [`encode`] wrote; `None` for anything else.
    pub(super) fn decode(bytes: &'e [u8]) -> Option<Self> {
        let (&kind, rest) = bytes.split_first()?;
        let kind = match kind {
            1 => Kind::Put,
            2 => Kind::Merge,
            3 => Kind::Remove,
            _ => return None,
        };
        let (len, rest) = rest.split_first_chunk::<2>()?;
        let (id, body) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
        Some(Self { kind, id, body })
    }

    /// The fields of a merge.
    pub(super) fn fields(&self) -> impl Iterator<Item = Field<'e>> + use<'e> {
        let mut rest = self.body;
        std::iter::from_fn(move || {
            let (&merge, after) = rest.split_first()?;
            let (name_len, after) = after.split_first_chunk::<4>()?;
            let (json_len, after) = after.split_first_chunk::<4>()?;
            let (name, after) = after.split_at_checked(u32::from_le_bytes(*name_len) as usize)?;
            let (json, after) = after.split_at_checked(u32::from_le_bytes(*json_len) as usize)?;
            rest = after;
            Some(Field {
                name: std::str::from_utf8(name).ok()?,
                json: std::str::from_utf8(json).ok()?,
                merge: merge == 1,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(effect: Document<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = encode(effect, &mut bytes);
        bytes
    }

    #[test]
    fn ids_of_different_tenants_or_keys_never_meet() {
        let id =
            |tenant, key: &'static str, id| DocumentId::new(tenant, key.as_bytes(), id).unwrap().to_string();
        assert_eq!(id("t", "k", "1"), "t/k/1");
        assert_eq!(id("t/k", "1", "x"), "t%2Fk/1/x");
        assert_eq!(id("t", "k/1", "x"), "t/k%2F1/x");
        assert_eq!(id("t%2Fk", "1", "x"), "t%252Fk/1/x");
        assert_eq!(id("t", "k", "1/x%"), "t/k/1/x%");
    }

    #[test]
    fn what_can_not_be_a_name_is_refused_by_class() {
        let class = |tenant, key: &[u8], id: &str| DocumentId::new(tenant, key, id).unwrap_err().class;
        assert_eq!(class("t", b"\xff", "1"), "bad_key");
        assert_eq!(class("", b"k", "1"), "bad_id");
        assert_eq!(class("t", b"k", ""), "bad_id");
        assert_eq!(class("t", b"k", &"x".repeat(509)), "id_too_long");
        assert!(DocumentId::new("t", b"k", &"x".repeat(508)).is_ok());
        assert_eq!(class("%", b"k", &"x".repeat(507)), "id_too_long");
    }

    #[test]
    fn effects_survive_the_lane() {
        let id = DocumentId::new("t", b"k", "1").unwrap();
        let fields = [
            Field { name: "content", json: "\"x\"", merge: false },
            Field { name: "meta", json: "{\"a\":1,\n\"a\":2}", merge: true },
        ];
        let bytes = encoded(Document::Put { id, fields: &fields });
        let put = Effect::decode(&bytes).unwrap();
        assert_eq!((put.kind, put.id), (Kind::Put, b"t/k/1".as_slice()));
        assert_eq!(put.body, br#"{"content":"x","meta":{"a":2}}"#);

        let bytes = encoded(Document::Merge { id, fields: &fields });
        let merge = Effect::decode(&bytes).unwrap();
        let names: Vec<_> = merge.fields().map(|field| (field.name, field.json, field.merge)).collect();
        assert_eq!(names, [("content", "\"x\"", false), ("meta", "{\"a\":1, \"a\":2}", true)]);

        let bytes = encoded(Document::Remove { id, removed_at_ms: 12 });
        assert_eq!(Effect::decode(&bytes).unwrap().body, br#"{"deleted":true,"deletedAt":12}"#);
        let bytes = encoded(Document::Remove { id, removed_at_ms: -1 });
        assert_eq!(Effect::decode(&bytes).unwrap().body, br#"{"deleted":true}"#);
        assert_eq!(Effect::decode(&bytes[..4]), None);
    }
}
