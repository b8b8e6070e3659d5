//! Records that prove the order of their keys: each says the how-manieth of its key it is. The topics of the workloads
//! `counting` and `waiting` are made of them, computed from a seed.

use std::borrow::Cow;
use std::io::Write as _;

use serde::Deserialize;

/// Bytes of a value.
pub const VALUE_BYTES: usize = 300;

/// Words that texts are made of: lz4 halves them, as it does real messages.
const WORDS: [&str; 16] = [
    "the", "order", "was", "shipped", "to", "your", "address", "on", "monday", "please", "confirm",
    "delivery", "thanks", "invoice", "number", "attached",
];

/// An event as every arm parses it: all fields, borrowed from the record.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event<'r> {
    /// What happened.
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'r, str>,
    /// How many records of the key came before this one.
    pub sequence: u64,
    /// The record's key once more.
    #[serde(borrow)]
    pub key: Cow<'r, str>,
    /// Whose it is.
    #[serde(borrow)]
    pub tenant_id: Cow<'r, str>,
    /// The text.
    #[serde(borrow)]
    pub content: Cow<'r, str>,
}

/// What is wrong with a record.
#[derive(Debug, PartialEq, Eq)]
pub enum NoEvent {
    /// It has no key.
    NoKey,
    /// Its value is not the JSON of an event.
    NotJson(String),
    /// Key and value name different keys.
    OtherKey,
}

impl std::fmt::Display for NoEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoKey => f.write_str("a record has no key"),
            Self::NotJson(error) => write!(f, "a value is not the JSON of an event: {error}"),
            Self::OtherKey => f.write_str("a value names another key than its record has"),
        }
    }
}

impl std::error::Error for NoEvent {}

/// Parses a record: its key, and its place among those of its key.
///
/// # Errors
/// When it is not of these topics.
#[inline]
pub fn parse<'r>(key: Option<&'r [u8]>, value: Option<&'r [u8]>) -> Result<(&'r [u8], u64), NoEvent> {
    let key = key.ok_or(NoEvent::NoKey)?;
    let event: Event<'r> = serde_json::from_slice(value.unwrap_or_default())
        .map_err(|error| NoEvent::NotJson(error.to_string()))?;
    if event.key.as_bytes() != key {
        return Err(NoEvent::OtherKey);
    }
    Ok((key, event.sequence))
}

/// What decides every byte of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Decides the keys' order and the texts.
    pub seed: u64,
    /// Keys there are; each record has one of them, evenly.
    pub keys: u32,
    /// Partitions; a key's is its number modulo this.
    pub partitions: i32,
}

/// The records of a shape, one after the other.
#[derive(Debug)]
pub struct Records {
    shape: Shape,
    order: fastrand::Rng,
    text: fastrand::Rng,
    /// Records made so far, by key.
    made: Vec<u32>,
    key: Vec<u8>,
    value: Vec<u8>,
}

/// One record; its bytes are overwritten by the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequenced<'r> {
    /// Where it belongs.
    pub partition: i32,
    /// `key-0000123`
    pub key: &'r [u8],
    /// About 300 bytes of JSON.
    pub value: &'r [u8],
}

impl Records {
    /// From the first one on.
    #[must_use]
    pub fn of(shape: Shape) -> Self {
        let order = fastrand::Rng::with_seed(shape.seed);
        let text = fastrand::Rng::with_seed(!shape.seed);
        Self { shape, order, text, made: vec![0; shape.keys as usize], key: Vec::new(), value: Vec::new() }
    }

    /// The next one; there is no last.
    pub fn next_record(&mut self) -> Sequenced<'_> {
        let number = self.order.u32(..self.shape.keys.max(1));
        let made = self.made.get_mut(number as usize).map(|made| std::mem::replace(made, *made + 1));
        self.key.clear();
        self.value.clear();
        // Writing to a vector can't fail.
        let _ = write!(self.key, "key-{number:07}");
        let _ = write!(
            self.value,
            r#"{{"type":"message.created","sequence":{},"key":"key-{number:07}","tenantId":"tenant-{}","content":""#,
            made.unwrap_or_default(),
            number % 10,
        );
        while self.value.len() < VALUE_BYTES - 2 {
            let word = WORDS.get(self.text.usize(..WORDS.len())).copied().unwrap_or_default().as_bytes();
            let room = VALUE_BYTES - 2 - self.value.len();
            self.value.extend(word.iter().chain(b" ").take(room));
        }
        self.value.extend_from_slice(br#""}"#);
        let partition = (number % self.shape.partitions.unsigned_abs().max(1)).cast_signed();
        Sequenced { partition, key: &self.key, value: &self.value }
    }
}

impl Shape {
    /// How many of its keys occur among the first so many records.
    #[must_use]
    pub fn keys_among(&self, records: u64) -> u64 {
        let mut order = fastrand::Rng::with_seed(self.seed);
        let mut seen = vec![false; self.keys as usize];
        for _ in 0..records {
            if let Some(seen) = seen.get_mut(order.u32(..self.keys.max(1)) as usize) {
                *seen = true;
            }
        }
        seen.into_iter().filter(|seen| *seen).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Tally;

    const SHAPE: Shape = Shape { seed: 7, keys: 100, partitions: 8 };

    #[test]
    fn every_key_counts_from_0_and_stays_in_its_partition() {
        let (mut records, mut tally, mut places) = (Records::of(SHAPE), Tally::default(), [None; 100]);
        for _ in 0..1_000 {
            let record = records.next_record();
            assert_eq!(record.value.len(), VALUE_BYTES);
            let (key, sequence) = parse(Some(record.key), Some(record.value)).unwrap();
            let number: usize = std::str::from_utf8(&key[4..]).unwrap().parse().unwrap();
            assert_eq!(*places[number].get_or_insert(record.partition), record.partition);
            tally.see(key, sequence);
        }
        let finished = tally.finish().unwrap();
        assert_eq!((finished.records, finished.out_of_order), (1_000, 0));
        assert_eq!(finished.keys, SHAPE.keys_among(1_000));
        assert!(places.iter().flatten().any(|place| *place == 7));
    }

    #[test]
    fn the_seed_decides_every_byte() {
        let bytes = |seed| {
            let mut records = Records::of(Shape { seed, ..SHAPE });
            (0..50).map(|_| records.next_record().value.to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(bytes(1), bytes(1));
        assert_ne!(bytes(1), bytes(2));
    }

    #[test]
    fn foreign_records_are_told() {
        let value = br#"{"type":"t","sequence":3,"key":"k","tenantId":"t","content":"c"}"#;
        assert_eq!(parse(Some(b"k"), Some(value)), Ok((&b"k"[..], 3)));
        assert_eq!(parse(Some(b"l"), Some(value)), Err(NoEvent::OtherKey));
        assert_eq!(parse(None, Some(value)), Err(NoEvent::NoKey));
        assert!(matches!(parse(Some(b"k"), Some(&value[1..])), Err(NoEvent::NotJson(_))));
    }
}
