//! What the I/O half (or a simulated server) brings back of an answer, beside its status.

/// How the answer's bytes lie in a reply's body: 8 bytes for the wait, one that says whether the body is whole, the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer<B> {
    /// How long the server wants to be left alone (`Retry-After`).
    pub retry_after_ms: Option<u64>,
    /// Whether the body was read to its end; it was not when it is longer than allowed.
    pub whole: bool,
    /// The body, or its beginning.
    pub body: B,
}

/// Stands for "it does not say" in the wait's place.
const NO_WAIT: u64 = u64::MAX;

impl<B: AsRef<[u8]>> HttpAnswer<B> {
    /// As a reply's body.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let body = self.body.as_ref();
        let mut bytes = Vec::with_capacity(9 + body.len());
        bytes.extend_from_slice(&self.retry_after_ms.unwrap_or(NO_WAIT).to_le_bytes());
        bytes.push(u8::from(self.whole));
        bytes.extend_from_slice(body);
        bytes
    }
}

impl<'b> HttpAnswer<&'b [u8]> {
    /// Reads it; `None` when the bytes are not an encoded answer.
    #[must_use]
    pub fn decode(bytes: &'b [u8]) -> Option<Self> {
        let (wait, rest) = bytes.split_first_chunk()?;
        let (whole, body) = rest.split_first()?;
        let wait_ms = u64::from_le_bytes(*wait);
        Some(Self { retry_after_ms: (wait_ms != NO_WAIT).then_some(wait_ms), whole: *whole == 1, body })
    }
}

/// The wait that a `Retry-After` header asks for: seconds. Its other form, a date, would need both clocks to agree: it is
/// passed over, and the engine's own backoff waits.
#[cfg(any(feature = "http", test))]
pub(super) fn retry_after_ms(header: &str) -> Option<u64> {
    header.trim().parse::<u32>().ok().map(|seconds| u64::from(seconds) * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_read_back() {
        for (retry_after_ms, whole, body) in
            [(None, true, &b""[..]), (Some(0), false, b"x"), (Some(7), true, b"yz")]
        {
            let answer = HttpAnswer { retry_after_ms, whole, body };
            assert_eq!(HttpAnswer::decode(&answer.encode()), Some(answer));
        }
        assert_eq!(HttpAnswer::decode(&[0; 8]), None);
    }

    #[test]
    fn waits_are_seconds() {
        assert_eq!(retry_after_ms(" 3 "), Some(3_000));
        for other in ["", "-1", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT", "99999999999"] {
            assert_eq!(retry_after_ms(other), None, "{other}");
        }
    }
}
