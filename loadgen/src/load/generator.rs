//! The stream of records: a function of the seed and the settings, nothing else.

use super::content::Contents;
use super::conversations::{Conversations, Document};
use super::event::{self, Parts};
use super::history::History;
use super::ids::{ID_BYTES, Id, Ids, Named};
use super::mix::{Kind, Mix};
use super::poison::Poison;
use super::popularity::Popularity;
use fastrand::Rng;
use std::ops::RangeInclusive;

/// Senders are many, but not as many as messages.
const SENDERS: u64 = 10_000;

/// A record as it goes to the broker, except for its time.
#[derive(Debug)]
pub struct Record {
    key: Option<Vec<u8>>,
    value: Vec<u8>,
    has_value: bool,
    /// The header `message-id`: names the event.
    pub message_id: Id,
    /// The header `correlation-id`: names the trace.
    pub correlation_id: Id,
}

impl Clone for Record {
    fn clone(&self) -> Self {
        Self { key: self.key.clone(), value: self.value.clone(), ..*self }
    }

    /// Reuses the memory of what it overwrites.
    fn clone_from(&mut self, from: &Self) {
        self.key.clone_from(&from.key);
        self.value.clone_from(&from.value);
        self.has_value = from.has_value;
        self.message_id = from.message_id;
        self.correlation_id = from.correlation_id;
    }
}

impl Record {
    fn new() -> Self {
        Self {
            key: None,
            value: Vec::new(),
            has_value: false,
            message_id: [0; ID_BYTES],
            correlation_id: [0; ID_BYTES],
        }
    }

    /// The key; none is null.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    /// The value; none is null.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        self.has_value.then_some(&self.value)
    }

    pub(super) fn set_key(&mut self, key: &[u8]) {
        let own = self.key.get_or_insert_default();
        own.clear();
        own.extend_from_slice(key);
    }

    pub(super) fn clear_key(&mut self) {
        self.key = None;
    }

    pub(super) fn set_value(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.value.clear();
        self.has_value = true;
        write(&mut self.value);
    }

    pub(super) fn clear_value(&mut self) {
        self.value.clear();
        self.has_value = false;
    }
}

/// What the records look like.
#[derive(Debug)]
pub struct Shape {
    /// Decides everything.
    pub seed: u64,
    /// How many conversations there are.
    pub conversations: u32,
    /// Zipf's exponent, 0 for uniform.
    pub zipf: f64,
    /// Bytes of a text.
    pub content_bytes: RangeInclusive<u32>,
    /// How many tenants share the conversations.
    pub tenants: u32,
    /// What share of the records is what.
    pub mix: Mix,
}

/// Makes one record after the other.
#[derive(Debug)]
pub struct Generator {
    rng: Rng,
    ids: Ids,
    mix: Mix,
    popularity: Popularity,
    conversations: Conversations,
    contents: Contents,
    tenants: Vec<Vec<u8>>,
    history: History,
    number: u64,
    timestamp: Vec<u8>,
    record: Record,
}

impl Generator {
    /// Prepares everything that can be prepared. `shape` has at least one conversation and one tenant.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        assert!(shape.conversations > 0 && shape.tenants > 0, "nobody to write for");
        let mut rng = Rng::with_seed(shape.seed);
        Self {
            ids: Ids::new(shape.seed),
            popularity: Popularity::new(shape.conversations, shape.zipf),
            conversations: Conversations::new(shape.conversations),
            contents: Contents::prepare(&shape.content_bytes, &mut rng),
            tenants: (0..shape.tenants).map(tenant).collect(),
            mix: shape.mix,
            history: History::default(),
            number: 0,
            timestamp: Vec::new(),
            record: Record::new(),
            rng,
        }
    }

    /// The next record and what it is. What was asked for but can't be had yet (an update when nothing exists)
    /// becomes a create.
    pub fn next_record(&mut self) -> (Kind, &Record) {
        let number = self.number;
        self.number += 1;
        let wanted = self.mix.draw(&mut self.rng);
        let kind = self.fill(wanted);
        self.record.correlation_id = self.ids.id(Named::Correlation, number);
        if kind != Kind::Duplicate {
            self.record.message_id = self.ids.id(Named::Event, number);
            self.history.note(&self.record, &mut self.rng);
        }
        (kind, &self.record)
    }

    fn fill(&mut self, kind: Kind) -> Kind {
        if kind == Kind::Duplicate {
            match self.history.draw(&mut self.rng) {
                Some(earlier) => self.record.clone_from(earlier),
                None => return self.fill(Kind::Create),
            }
            return kind;
        }
        let conversation = self.popularity.draw(&mut self.rng);
        let (kind, document) = self.choose(kind, conversation);
        self.write(kind, conversation, document);
        kind
    }

    /// The document the record is about, and what the record can be given what exists.
    fn choose(&mut self, kind: Kind, conversation: u32) -> (Kind, Document) {
        let Self { conversations, rng, .. } = self;
        let existing = match kind {
            Kind::Update | Kind::Poison(Poison::OtherTenant) => conversations.living(conversation, rng),
            Kind::LateUpdate => conversations.deleted(conversation),
            Kind::Delete => conversations.delete(conversation, rng),
            Kind::Recreate if rng.bool() => conversations.deleted(conversation),
            Kind::Recreate => conversations.living(conversation, rng),
            Kind::Create | Kind::Duplicate | Kind::Poison(_) => None,
        };
        let kind = if existing.is_none() && !matches!(kind, Kind::Poison(_)) { Kind::Create } else { kind };
        let document = existing.unwrap_or_else(|| conversations.fresh());
        if matches!(kind, Kind::Create | Kind::Recreate) {
            conversations.created(conversation, document, rng);
        }
        (kind, document)
    }

    fn write(&mut self, kind: Kind, conversation: u32, document: Document) {
        let Self { rng, ids, contents, tenants, timestamp, record, number, .. } = self;
        timestamp.clear();
        event::timestamp(timestamp, *number);
        let id = ids.id(Named::Document, document.into());
        let key = ids.id(Named::Conversation, conversation.into());
        let sender = ids.id(Named::Sender, rng.u64(..SENDERS));
        record.set_key(&key);
        // Of ten updates, five change both, three the text only, one the metadata only, one nothing.
        let changes = rng.u8(..10);
        let update = matches!(kind, Kind::Update | Kind::LateUpdate);
        let parts = Parts {
            id: &id,
            conversation: &key,
            sender: &sender,
            content: (!update || changes < 8).then(|| contents.content(rng)),
            tenant: &tenants[conversation as usize % tenants.len()],
            timestamp,
            // Of ten other events, one has none.
            metadata: match (update, changes) {
                (true, 5..=7 | 9) | (false, 9) => None,
                _ => Some(contents.metadata(rng)),
            },
        };
        match kind {
            Kind::Create | Kind::Recreate | Kind::Duplicate => {
                record.set_value(|out| event::created(out, &parts));
            }
            Kind::Update | Kind::LateUpdate => record.set_value(|out| event::updated(out, &parts)),
            Kind::Delete => record.set_value(|out| event::deleted(out, &parts)),
            Kind::Poison(poison) => {
                let nobody = ids.id(Named::Nobody, document.into());
                let id = if poison == Poison::OtherTenant { &id } else { &nobody };
                poison.write(record, &Parts { id, ..parts }, rng);
            }
        }
    }
}

/// Most have plain names; some have the characters that a document id must escape.
fn tenant(number: u32) -> Vec<u8> {
    match number % 8 {
        5 => format!("tenant/{number}"),
        6 => format!("tenant%2F{number}"),
        _ => format!("tenant-{}", 123 + number),
    }
    .into_bytes()
}
