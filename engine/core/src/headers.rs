//! Record headers in the log's own encoding, read without allocating.
//!
//! The encoding is the one of Kafka's record format v2: a zigzag varint count, then for each header a zigzag
//! varint length and the name, a zigzag varint length (-1: null) and the value. Source: "Record" in the protocol
//! guide of Apache Kafka. Keeping it as it came off the wire costs one copy instead of one allocation per header.

/// The headers of one record. Empty bytes mean no headers.
#[derive(Clone, Copy, Default)]
pub struct Headers<'b> {
    bytes: &'b [u8],
}

impl std::fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()))
            .finish()
    }
}

impl<'b> Headers<'b> {
    /// Headers over their encoded bytes. Malformed bytes read as the headers before the damage.
    #[must_use]
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { bytes }
    }

    /// The encoded bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &'b [u8] {
        self.bytes
    }

    /// The value of the last header of that name, as Kafka clients have it; `None` when absent or null.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'b [u8]> {
        self.iter().filter(|(found, _)| *found == name.as_bytes()).last().and_then(|(_, value)| value)
    }

    /// As [`Headers::get`] for two names, in one pass: as cheap as for one where the second is absent.
    #[must_use]
    #[inline]
    pub fn get_both(&self, names: [&str; 2]) -> [Option<&'b [u8]>; 2] {
        let [first, second] = names.map(str::as_bytes);
        let (mut of_first, mut of_second) = (None, None);
        self.iter().for_each(|(name, value)| {
            if name == first {
                of_first = value;
            } else if name == second {
                of_second = value;
            }
        });
        [of_first, of_second]
    }

    /// Names and values in their order.
    #[must_use]
    pub fn iter(&self) -> HeaderIter<'b> {
        let mut rest = self.bytes;
        let left = read_varint(&mut rest).and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
        HeaderIter { rest, left }
    }
}

/// Iterator over the headers of one record.
#[derive(Debug, Clone)]
pub struct HeaderIter<'b> {
    rest: &'b [u8],
    left: u32,
}

impl<'b> Iterator for HeaderIter<'b> {
    type Item = (&'b [u8], Option<&'b [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let name = read_bytes(&mut self.rest)??;
        let value = read_bytes(&mut self.rest)?;
        Some((name, value))
    }
}

/// Appends the headers to `into` in the encoding that [`Headers`] reads.
pub fn encode_headers<'h>(
    headers: impl ExactSizeIterator<Item = (&'h [u8], Option<&'h [u8]>)>,
    into: &mut Vec<u8>,
) {
    write_varint(headers.len() as i64, into);
    for (name, value) in headers {
        write_varint(name.len() as i64, into);
        into.extend_from_slice(name);
        match value {
            Some(value) => {
                write_varint(value.len() as i64, into);
                into.extend_from_slice(value);
            }
            None => write_varint(-1, into),
        }
    }
}

/// A length-prefixed slice: `None` when damaged, `Some(None)` when null.
#[allow(clippy::option_option, reason = "damaged and null are different answers")]
fn read_bytes<'b>(rest: &mut &'b [u8]) -> Option<Option<&'b [u8]>> {
    let len = read_varint(rest)?;
    if len == -1 {
        return Some(None);
    }
    let (bytes, after) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    *rest = after;
    Some(Some(bytes))
}

#[inline]
fn read_varint(rest: &mut &[u8]) -> Option<i64> {
    // Lengths below 64 take one byte, and nearly all are.
    if let Some((&byte @ 0..0x80, after)) = rest.split_first() {
        *rest = after;
        return Some(i64::from(byte >> 1) ^ -i64::from(byte & 1));
    }
    read_long_varint(rest)
}

fn read_long_varint(rest: &mut &[u8]) -> Option<i64> {
    let mut raw = 0u64;
    for (index, byte) in rest.iter().enumerate().take(10) {
        raw |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            *rest = rest.get(index + 1..)?;
            return Some((raw >> 1).cast_signed() ^ -((raw & 1).cast_signed()));
        }
    }
    None
}

fn write_varint(value: i64, into: &mut Vec<u8>) {
    let mut raw = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while raw >= 0x80 {
        into.push((raw & 0x7F) as u8 | 0x80);
        raw >>= 7;
    }
    into.push(raw as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Pairs = Vec<(Vec<u8>, Option<Vec<u8>>)>;

    fn encode(pairs: &Pairs) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_headers(pairs.iter().map(|(name, value)| (name.as_slice(), value.as_deref())), &mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read_back(pairs: Pairs) {
            let bytes = encode(&pairs);
            let read: Pairs =
                Headers::new(&bytes).iter().map(|(n, v)| (n.to_vec(), v.map(<[u8]>::to_vec))).collect();
            prop_assert_eq!(read, pairs);
        }

        #[test]
        fn damaged_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Headers::new(&bytes).iter().count();
        }
    }

    #[test]
    fn the_last_of_a_name_wins_and_null_is_none() {
        let pairs: Pairs =
            vec![(b"a".into(), Some(b"1".into())), (b"a".into(), Some(b"2".into())), (b"b".into(), None)];
        let bytes = encode(&pairs);
        let headers = Headers::new(&bytes);
        assert_eq!(headers.get("a"), Some(b"2".as_slice()));
        assert_eq!(headers.get("b"), None);
        assert_eq!(headers.get_both(["a", "c"]), [Some(b"2".as_slice()), None]);
        assert_eq!(headers.get_both(["b", "a"]), [None, Some(b"2".as_slice())]);
        assert_eq!(Headers::default().get("a"), None);
    }
}
