//! One number that stands for a record, so that a list of two million records is 40 MB and not a gigabyte.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The header that names the event a record carries. Dedupe goes by it.
pub const MESSAGE_ID: &str = "message-id";

/// Stand for "null" among the parts, so that a null and an empty part give different fingerprints.
const NULLS: [u64; 3] = [0x6b65_795f_6e75_6c6c, 0x7661_6c5f_6e75_6c6c, 0x6d69_645f_6e75_6c6c];

/// 64 bits over key, value and message id: the hash of each part seeds that of the next, a null part mixes in a
/// constant of its own.
#[must_use]
pub fn fingerprint(key: Option<&[u8]>, value: Option<&[u8]>, message_id: Option<&[u8]>) -> u64 {
    let mut hash = 0;
    for (part, null) in [key, value, message_id].into_iter().zip(NULLS) {
        hash = match part {
            Some(bytes) => xxh3_64_with_seed(bytes, hash),
            None => xxh3_64_with_seed(&null.to_le_bytes(), !hash),
        };
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    #[test]
    fn every_part_counts_and_null_is_not_empty() {
        let prints = [
            fingerprint(Some(b"k"), Some(b"v"), Some(b"m")),
            fingerprint(Some(b"x"), Some(b"v"), Some(b"m")),
            fingerprint(Some(b"k"), Some(b"x"), Some(b"m")),
            fingerprint(Some(b"k"), Some(b"v"), Some(b"x")),
            fingerprint(Some(b"kv"), Some(b""), Some(b"m")),
            fingerprint(Some(b""), Some(b"kv"), Some(b"m")),
            fingerprint(None, Some(b"kv"), Some(b"m")),
            fingerprint(Some(b"k"), None, Some(b"m")),
            fingerprint(Some(b"k"), Some(b""), Some(b"m")),
            fingerprint(Some(b"k"), Some(b"v"), None),
            fingerprint(None, None, None),
        ];
        let distinct: std::collections::HashSet<_> = prints.iter().collect();
        assert_eq!(distinct.len(), prints.len());
    }
}
