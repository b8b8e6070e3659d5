//! A record as operators see it: borrowed from its batch's arena, or from a copy of its own.

use crate::headers::Headers;
use crate::position::Position;

/// One record of the log. Every slice borrows from where the record's bytes live.
#[derive(Clone, Copy, Debug)]
pub struct Record<'b> {
    /// Where it stands in the log.
    pub position: Position,
    /// The timestamp the log gives it, in ms since 1970; -1 when it has none.
    pub timestamp_ms: i64,
    /// The key; `None` is a null key, which has no order with anything.
    pub key: Option<&'b [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'b [u8]>,
    /// The headers, parsed when asked for.
    pub headers: Headers<'b>,
}

impl Record<'_> {
    /// What keeps effects of one key together: a 64-bit hash of the key.
    ///
    /// A collision only makes two keys wait for each other. A null key gets a hash of its position: such records
    /// have no order with each other.
    #[must_use]
    pub fn key_hash(&self) -> u64 {
        match self.key {
            Some(key) => xxhash_rust::xxh3::xxh3_64(key),
            None => {
                let place = u64::from(self.position.partition.0) << 48;
                (place ^ self.position.offset.cast_unsigned()).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1
            }
        }
    }

    /// Bytes of key, value and headers together.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.key.map_or(0, <[u8]>::len) + self.value.map_or(0, <[u8]>::len) + self.headers.as_bytes().len()
    }

    /// A copy that outlives the batch.
    #[must_use]
    pub fn to_owned(&self) -> OwnedRecord {
        let mut bytes = Vec::with_capacity(self.size_bytes());
        bytes.extend_from_slice(self.key.unwrap_or_default());
        bytes.extend_from_slice(self.value.unwrap_or_default());
        bytes.extend_from_slice(self.headers.as_bytes());
        OwnedRecord {
            position: self.position,
            timestamp_ms: self.timestamp_ms,
            key_len: self.key.map(<[u8]>::len),
            value_len: self.value.map(<[u8]>::len),
            bytes: bytes.into_boxed_slice(),
        }
    }
}

/// A record copied out of its batch, because it waits (its key is parked) or is about to be dead-lettered.
#[derive(Debug)]
pub struct OwnedRecord {
    position: Position,
    timestamp_ms: i64,
    key_len: Option<usize>,
    value_len: Option<usize>,
    bytes: Box<[u8]>,
}

impl OwnedRecord {
    /// The record, as if it still lay in its batch.
    #[must_use]
    pub fn as_record(&self) -> Record<'_> {
        let (key, rest) = self.bytes.split_at(self.key_len.unwrap_or(0));
        let (value, headers) = rest.split_at(self.value_len.unwrap_or(0));
        Record {
            position: self.position,
            timestamp_ms: self.timestamp_ms,
            key: self.key_len.map(|_| key),
            value: self.value_len.map(|_| value),
            headers: Headers::new(headers),
        }
    }
}
