//! What became of each record of a produce request: the answer that the I/O half (or a simulated broker) gives.

use std::borrow::Cow;

use thalweg_core::failure::{Reason, Verdict};

/// The fate of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemAnswer {
    /// Acknowledged by all in-sync replicas.
    Delivered,
    /// Refused for its size, by the client or by the broker.
    TooLarge(String),
    /// Refused for what it is (for example a null key on a compacted topic).
    Invalid(String),
    /// The topic or cluster does not take it: unknown topic or partition, no authorization.
    Refused(String),
    /// Given up by the client (fatal error, purge); it may have been written.
    Failed(String),
}

impl ItemAnswer {
    /// Appends the answer to `into`: a code, the message's length (16 bits), the message.
    pub fn encode(&self, into: &mut Vec<u8>) {
        let (code, message) = match self {
            Self::Delivered => (0, ""),
            Self::TooLarge(message) => (1, message.as_str()),
            Self::Invalid(message) => (2, message.as_str()),
            Self::Refused(message) => (3, message.as_str()),
            Self::Failed(message) => (4, message.as_str()),
        };
        let message = cut(message, usize::from(u16::MAX));
        into.push(code);
        into.extend_from_slice(&(message.len() as u16).to_le_bytes());
        into.extend_from_slice(message.as_bytes());
    }

    /// Reads one answer off the front of `rest`; `None` when the bytes are not an answer.
    pub fn decode(rest: &mut &[u8]) -> Option<Self> {
        let (&[code, low, high], after) = rest.split_first_chunk()?;
        let (message, after) = after.split_at_checked(usize::from(u16::from_le_bytes([low, high])))?;
        *rest = after;
        let message = String::from_utf8_lossy(message).into_owned();
        Some(match code {
            0 => Self::Delivered,
            1 => Self::TooLarge(message),
            2 => Self::Invalid(message),
            3 => Self::Refused(message),
            4 => Self::Failed(message),
            _ => return None,
        })
    }

    /// The verdict on an effect that got this answer.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Delivered => Verdict::Done,
            Self::TooLarge(message) => Verdict::Refused(Reason::new("record_too_large", message)),
            Self::Invalid(message) => Verdict::Refused(Reason::new("record_refused", message)),
            Self::Refused(message) => Verdict::SinkDown(Reason::new("topic_unavailable", message)),
            Self::Failed(message) => Verdict::Unknown(Reason::new("producer_failed", message)),
        }
    }
}

/// Reads the answers of a whole request; `None` when they are not exactly `count`.
#[must_use]
pub fn decode_answers(body: &[u8], count: usize) -> Option<Vec<ItemAnswer>> {
    let mut rest = body;
    let answers: Option<Vec<_>> = (0..count).map(|_| ItemAnswer::decode(&mut rest)).collect();
    answers.filter(|_| rest.is_empty())
}

/// Why an answer that can't be read leaves the outcome unknown.
pub(crate) fn unreadable() -> Reason {
    Reason::new("producer_failed", Cow::Borrowed("the producer's answer does not fit the request"))
}

/// The longest prefix of `text` of at most `bytes_max` bytes that ends between two characters.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_answer() -> impl Strategy<Value = ItemAnswer> {
        prop_oneof![
            Just(ItemAnswer::Delivered),
            any::<String>().prop_map(ItemAnswer::TooLarge),
            any::<String>().prop_map(ItemAnswer::Invalid),
            any::<String>().prop_map(ItemAnswer::Refused),
            any::<String>().prop_map(ItemAnswer::Failed),
        ]
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read_back(answers in proptest::collection::vec(any_answer(), 0..20)) {
            let mut bytes = Vec::new();
            answers.iter().for_each(|answer| answer.encode(&mut bytes));
            prop_assert_eq!(decode_answers(&bytes, answers.len() + 1), None);
            prop_assert_eq!(decode_answers(&bytes, answers.len()), Some(answers));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>, count in 0usize..10) {
            let _ = decode_answers(&bytes, count);
        }

        #[test]
        fn a_cut_text_is_a_prefix(text: String, bytes_max in 0usize..50) {
            let short = cut(&text, bytes_max);
            prop_assert!(short.len() <= bytes_max && text.starts_with(short));
            prop_assert!(short.len() == text.len() || short.len() + 4 > bytes_max);
        }
    }
}
