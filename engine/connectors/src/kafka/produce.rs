//! The effect of the Kafka sink: one record to be written, and how it lies in a lane.

use thalweg_core::headers::Headers;
use thalweg_core::sink::Domain;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// A record to be written to a topic; may borrow from the record it was made of.
#[derive(Clone, Copy, Debug)]
pub struct Produce<'e> {
    /// The topic; it must exist.
    pub topic: &'e str,
    /// The partition number; `None` leaves the choice to the client (a hash of the key).
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<&'e [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'e [u8]>,
    /// The headers.
    pub headers: Headers<'e>,
}

/// Stands for null in the length of a key or value.
const NULL: u32 = u32::MAX;

/// Stands for "the client chooses" in the partition's place; partition numbers are not negative.
const ANY_PARTITION: i32 = -1;

/// Five 32-bit numbers stand before the bytes: lengths of topic, key, value and headers, and the partition.
const PREFIX_BYTES: usize = 20;

impl<'e> Produce<'e> {
    /// Appends the record to `into`; what is written says itself where it ends.
    ///
    /// # Panics
    /// When one of the parts is 4 GiB or longer; no log takes such a record.
    pub fn encode(&self, into: &mut Vec<u8>) {
        let headers = self.headers.as_bytes();
        into.reserve(PREFIX_BYTES + self.size_bytes());
        into.extend_from_slice(&length(self.topic.as_bytes()).to_le_bytes());
        into.extend_from_slice(&self.partition.unwrap_or(ANY_PARTITION).to_le_bytes());
        into.extend_from_slice(&self.key.map_or(NULL, length).to_le_bytes());
        into.extend_from_slice(&self.value.map_or(NULL, length).to_le_bytes());
        into.extend_from_slice(&length(headers).to_le_bytes());
        into.extend_from_slice(self.topic.as_bytes());
        for part in [self.key.unwrap_or_default(), self.value.unwrap_or_default(), headers] {
            into.extend_from_slice(part);
        }
    }

    /// Reads one record off the front of `rest`; `None` when the bytes are not an encoded record.
    pub fn decode(rest: &mut &'e [u8]) -> Option<Self> {
        let topic_len = take_u32(rest)?;
        let partition = take_u32(rest)?.cast_signed();
        let (key_len, value_len, headers_len) = (take_u32(rest)?, take_u32(rest)?, take_u32(rest)?);
        let topic = std::str::from_utf8(take(rest, topic_len)?).ok()?;
        let key = if key_len == NULL { None } else { Some(take(rest, key_len)?) };
        let value = if value_len == NULL { None } else { Some(take(rest, value_len)?) };
        let headers = Headers::new(take(rest, headers_len)?);
        Some(Self {
            topic,
            partition: (partition != ANY_PARTITION).then_some(partition),
            key,
            value,
            headers,
        })
    }

    /// The order domain: topic and key. Records without a key have no order with each other.
    #[must_use]
    pub fn domain(&self) -> Domain {
        let topic = xxh3_64(self.topic.as_bytes());
        Domain(match self.key {
            Some(key) => xxh3_64_with_seed(key, topic),
            None => xxh3_64_with_seed(self.value.unwrap_or_default(), !topic),
        })
    }

    fn size_bytes(&self) -> usize {
        let body = self.key.map_or(0, <[u8]>::len) + self.value.map_or(0, <[u8]>::len);
        self.topic.len() + body + self.headers.as_bytes().len()
    }
}

fn length(bytes: &[u8]) -> u32 {
    assert!(bytes.len() < NULL as usize, "a part of a record is far shorter than 4 GiB");
    bytes.len() as u32
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u32::from_le_bytes(*bytes))
}

fn take<'e>(rest: &mut &'e [u8], len: u32) -> Option<&'e [u8]> {
    let (bytes, after) = rest.split_at_checked(len as usize)?;
    *rest = after;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use thalweg_core::headers::encode_headers;

    use super::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_read_back(
            topic in "[a-z._-]{0,40}",
            partition in proptest::option::of(0..i32::MAX),
            key: Option<Vec<u8>>,
            value: Option<Vec<u8>>,
            pairs: Vec<(Vec<u8>, Option<Vec<u8>>)>,
        ) {
            let mut headers = Vec::new();
            encode_headers(pairs.iter().map(|(n, v)| (n.as_slice(), v.as_deref())), &mut headers);
            let record = Produce {
                topic: &topic,
                partition,
                key: key.as_deref(),
                value: value.as_deref(),
                headers: Headers::new(&headers),
            };
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            record.encode(&mut bytes);
            let mut rest = bytes.as_slice();
            for _ in 0..2 {
                let read = Produce::decode(&mut rest).unwrap();
                prop_assert_eq!(read.topic, topic.as_str());
                prop_assert_eq!(read.partition, partition);
                prop_assert_eq!(read.key, key.as_deref());
                prop_assert_eq!(read.value, value.as_deref());
                prop_assert_eq!(read.headers.as_bytes(), headers.as_slice());
                prop_assert_eq!(read.domain(), record.domain());
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Produce::decode(&mut bytes.as_slice());
        }
    }

    #[test]
    fn equal_keys_of_different_topics_are_different_domains() {
        let record =
            |topic, key| Produce { topic, partition: None, key, value: None, headers: Headers::default() };
        let domain = |topic, key| record(topic, Some(key)).domain();
        assert_ne!(domain("a", b"k".as_slice()), domain("b", b"k"));
        assert_ne!(domain("a", b"k".as_slice()), domain("a", b"l"));
        assert_eq!(domain("a", b"k".as_slice()), domain("a", b"k"));
    }
}
