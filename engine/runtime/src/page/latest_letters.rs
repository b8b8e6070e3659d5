//! The last dead letters of this process, as the live page shows them.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use thalweg_connectors::kafka::produce::Produce;

/// As many as fit on a page.
pub(crate) const LETTERS_MAX: usize = 20;

/// Enough to see what kind of record it was.
const PAYLOAD_BYTES_MAX: usize = 1_024;

/// Keys are ids; what is longer is cut.
const KEY_BYTES_MAX: usize = 100;

/// One dead letter: where its original is, and why it is here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Letter {
    topic: String,
    partition: String,
    offset: String,
    key: Option<String>,
    reason: String,
    message: String,
    stage: String,
    /// When it failed for the last time, ms since 1970.
    failed_unix_ms: Option<i64>,
    /// Only if the settings allow it.
    payload: Option<String>,
}

/// See the module's text.
#[derive(Debug, Clone)]
pub(crate) struct LatestLetters {
    shows_payloads: bool,
    ring: Arc<Mutex<VecDeque<Letter>>>,
}

impl LatestLetters {
    /// None yet; the original's value is kept only if it may be shown.
    pub(crate) fn new(shows_payloads: bool) -> Self {
        Self { shows_payloads, ring: Arc::default() }
    }

    /// What is to be shown of a letter on its way out.
    pub(crate) fn describe(&self, letter: &Produce<'_>) -> Letter {
        let header = |name| letter.headers.get(name).map(|value| lossy(value, PAYLOAD_BYTES_MAX));
        let text = |name| header(name).unwrap_or_default();
        Letter {
            topic: text("dlq.original.topic"),
            partition: text("dlq.original.partition"),
            offset: text("dlq.original.offset"),
            key: letter.key.map(|key| lossy(key, KEY_BYTES_MAX)),
            reason: text("dlq.reason"),
            message: text("dlq.message"),
            stage: text("dlq.stage"),
            failed_unix_ms: header("dlq.last_failure").and_then(|text| text.parse().ok()),
            payload: letter
                .value
                .filter(|_| self.shows_payloads)
                .map(|value| lossy(value, PAYLOAD_BYTES_MAX)),
        }
    }

    /// The letter was acknowledged.
    pub(crate) fn note(&self, letter: Letter) {
        let mut ring = self.ring.lock();
        ring.truncate(LETTERS_MAX - 1);
        ring.push_front(letter);
    }

    /// The newest first.
    pub(crate) fn newest(&self) -> Vec<Letter> {
        self.ring.lock().iter().cloned().collect()
    }
}

/// The first bytes as text; what is cut or is none is marked.
fn lossy(bytes: &[u8], bytes_max: usize) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(bytes_max)]).into_owned();
    if bytes.len() > bytes_max { text + "…" } else { text }
}

#[cfg(test)]
mod tests {
    use thalweg_core::headers::{Headers, encode_headers};

    use super::*;

    fn described(letters: &LatestLetters, offset: &str, value: &[u8]) -> Letter {
        let mut headers = Vec::new();
        let pairs =
            [("dlq.original.offset", offset), ("dlq.reason", "undecodable"), ("dlq.last_failure", "12")];
        let pairs = pairs.iter().map(|(name, value)| (name.as_bytes(), Some(value.as_bytes())));
        encode_headers(pairs, &mut headers);
        let headers = Headers::new(&headers);
        let produce =
            Produce { topic: "t.dlq", partition: Some(0), key: Some(b"k\xff"), value: Some(value), headers };
        letters.describe(&produce)
    }

    #[test]
    fn only_the_last_are_kept_newest_first() {
        let letters = LatestLetters::new(false);
        for offset in 0..50 {
            letters.note(described(&letters, &offset.to_string(), b"secret"));
        }
        let newest = letters.newest();
        assert_eq!((newest.len(), newest[0].offset.as_str(), newest[19].offset.as_str()), (20, "49", "30"));
        assert_eq!((newest[0].key.as_deref(), newest[0].failed_unix_ms), (Some("k\u{fffd}"), Some(12)));
    }

    #[test]
    fn payloads_are_kept_only_when_allowed_and_cut() {
        assert_eq!(described(&LatestLetters::new(false), "1", b"secret").payload, None);
        let long = described(&LatestLetters::new(true), "1", &[b'x'; 5_000]).payload.unwrap();
        assert_eq!(long, "x".repeat(1_024) + "…");
    }
}
