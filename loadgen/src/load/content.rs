//! The texts and metadata of a run, prepared before it starts: making a record is then mostly copying.

use fastrand::Rng;
use std::ops::RangeInclusive;

/// Bounds what is prepared when contents are large.
const CONTENTS_BYTES_MAX: usize = 64 << 20;
/// Enough that a compressor doesn't find the whole topic in its window.
const CONTENTS_MAX: usize = 2048;
const METADATA_COUNT: usize = 256;

/// What real texts are made of, JSON-escaped: plain words, and what has broken indexers before.
const WORDS: &[&str] = &[
    "the",
    "river",
    "runs",
    "to",
    "sea",
    "meeting",
    "moved",
    "see",
    "you",
    "at",
    "noon",
    "invoice",
    "ready",
    "please",
    "review",
    "attached",
    "thanks",
    "deploy",
    "failed",
    "again",
    "ok",
    "maybe",
    "later",
    "tomorrow",
    "größer",
    "naïve",
    "日本語",
    "привет",
    "🚀",
    "\\\"quoted\\\"",
    "line\\nbreak",
    "back\\\\slash",
    "tab\\t",
    "\\u00e9t\\u00e9",
    "\\ud83d\\ude00",
    "a/b",
    "{brace}",
    "[bracket]",
    "<tag>",
    "100%",
    "\\u0000",
];

/// Metadata keys: few, so that updates meet keys that are there.
const KEYS: &[&str] = &["edited", "client", "labels", "priority", "reply.to", "ratio", "größe", "flags"];

/// Metadata values, the last ones chosen to show a copy that went through a float or a string.
const VALUES: &[&str] = &[
    "true",
    "false",
    "null",
    "\"web\"",
    "\"iOS 17\"",
    "\"\"",
    "[\"a\",\"b\"]",
    "[]",
    "{\"a\":{\"b\":[1,null]}}",
    "{}",
    "0",
    "-1",
    "3",
    "0.5",
    "-12.25",
    "1e3",
    "9007199254740993",
    "18446744073709551615",
    "\"\\u00fc\"",
];

/// Prepared pieces of JSON, ready to be copied into a payload.
#[derive(Debug)]
pub struct Contents {
    /// JSON-escaped, without the quotes.
    contents: Vec<Box<[u8]>>,
    /// JSON objects.
    metadata: Vec<Box<[u8]>>,
}

impl Contents {
    /// Prepares contents whose sizes (bytes as they stand in the payload) are spread evenly over the magnitudes
    /// of `sizes_bytes`: many short ones, few long ones.
    #[must_use]
    pub fn prepare(sizes_bytes: &RangeInclusive<u32>, rng: &mut Rng) -> Self {
        let count = (CONTENTS_BYTES_MAX / (*sizes_bytes.end() as usize + 1)).clamp(16, CONTENTS_MAX);
        let contents = (0..count).map(|_| content(draw_size(sizes_bytes, rng), rng)).collect();
        let metadata = (0..METADATA_COUNT).map(|_| metadata(rng)).collect();
        Self { contents, metadata }
    }

    /// A text, JSON-escaped, without quotes.
    pub fn content(&self, rng: &mut Rng) -> &[u8] {
        &self.contents[rng.usize(..self.contents.len())]
    }

    /// A JSON object.
    pub fn metadata(&self, rng: &mut Rng) -> &[u8] {
        &self.metadata[rng.usize(..self.metadata.len())]
    }
}

fn draw_size(sizes_bytes: &RangeInclusive<u32>, rng: &mut Rng) -> usize {
    let (low, high) = (f64::from(*sizes_bytes.start()) + 1.0, f64::from(*sizes_bytes.end()) + 1.0);
    let size = low * (high / low).powf(rng.f64()) - 1.0;
    (size.round() as usize).min(*sizes_bytes.end() as usize)
}

/// Words up to exactly the size, the rest filled with a letter.
fn content(size_bytes: usize, rng: &mut Rng) -> Box<[u8]> {
    let mut text = Vec::with_capacity(size_bytes);
    loop {
        let word = WORDS[rng.usize(..WORDS.len())].as_bytes();
        if text.len() + word.len() + 1 > size_bytes {
            break;
        }
        text.extend_from_slice(word);
        text.push(b' ');
    }
    text.resize(size_bytes, b'x');
    text.into_boxed_slice()
}

fn metadata(rng: &mut Rng) -> Box<[u8]> {
    let mut keys = KEYS.to_vec();
    rng.shuffle(&mut keys);
    keys.truncate(rng.usize(..=3));
    let members: Vec<String> =
        keys.iter().map(|key| format!("\"{key}\":{}", VALUES[rng.usize(..VALUES.len())])).collect();
    format!("{{{}}}", members.join(",")).into_bytes().into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn everything_prepared_is_json_of_the_right_size() {
        let contents = Contents::prepare(&(0..=500), &mut Rng::with_seed(9));
        for text in &contents.contents {
            assert!(text.len() <= 500);
            let quoted = [b"\"", &text[..], b"\""].concat();
            assert!(serde_json::from_slice::<Value>(&quoted).unwrap().is_string());
        }
        for metadata in &contents.metadata {
            assert!(serde_json::from_slice::<Value>(metadata).unwrap().is_object());
        }
        assert!(contents.contents.iter().any(|text| text.len() > 250));
        let exact = Contents::prepare(&(100..=100), &mut Rng::with_seed(9));
        assert!(exact.contents.iter().all(|text| text.len() == 100));
    }
}
