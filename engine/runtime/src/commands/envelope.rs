//! What stands in the headers of commands and replies.

use thalweg_core::headers::{Headers, encode_headers};

use super::fingerprint::{Fingerprint, from_hex, to_hex};

/// Tells a command from all others, and names it in its reply. 32 hexadecimal digits.
pub(super) const CORRELATION_ID: &str = "correlation-id";
/// The partition of the topic of replies that is read by whoever waits. In decimal.
pub(super) const REPLY_PARTITION: &str = "reply-partition";
/// Who sent it.
pub(super) const USER: &str = "user";
/// As the client sent it; absent when it sent none.
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Of method, path and body. 32 hexadecimal digits.
pub(super) const REQUEST_HASH: &str = "request-hash";
/// The HTTP status of a reply, in decimal.
pub(super) const STATUS: &str = "status";
/// "true" on a reply that was given before.
pub(super) const REPEATED: &str = "repeated";

/// Where a reply goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReplyAddress {
    pub(super) correlation_id: Fingerprint,
    pub(super) partition: i32,
}

/// The headers of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CommandHeaders<'h> {
    pub(super) address: ReplyAddress,
    pub(super) user: &'h str,
    pub(super) idempotency_key: Option<&'h str>,
    pub(super) request_hash: Fingerprint,
}

impl<'h> CommandHeaders<'h> {
    /// Appends them to `into`, as [`Headers`] reads them.
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        let (id, hash) = (to_hex(&self.address.correlation_id), to_hex(&self.request_hash));
        let partition = self.address.partition.to_string();
        let always = [
            (CORRELATION_ID, id.as_str()),
            (REPLY_PARTITION, &partition),
            (USER, self.user),
            (REQUEST_HASH, &hash),
        ];
        let key = self.idempotency_key.map(|key| (IDEMPOTENCY_KEY, key));
        write(&always.into_iter().chain(key).collect::<Vec<_>>(), into);
    }

    /// `None`: the record is no command. An error names the header that can't be.
    pub(super) fn read(headers: Headers<'h>) -> Result<Option<Self>, &'static str> {
        let (mut id, mut partition, mut user, mut key, mut hash) = (None, None, None, None, None);
        for (name, value) in headers.iter() {
            match std::str::from_utf8(name) {
                Ok(CORRELATION_ID) => id = value,
                Ok(REPLY_PARTITION) => partition = value,
                Ok(USER) => user = value,
                Ok(IDEMPOTENCY_KEY) => key = value,
                Ok(REQUEST_HASH) => hash = value,
                _ => {}
            }
        }
        // Other records may have correlation ids too: what makes a command is that somebody waits for a reply.
        let Some(partition) = partition else { return Ok(None) };
        let partition = number(partition).filter(|number| *number >= 0).ok_or(REPLY_PARTITION)?;
        let correlation_id = id.and_then(from_hex).ok_or(CORRELATION_ID)?;
        Ok(Some(Self {
            address: ReplyAddress { correlation_id, partition },
            user: user.and_then(text).ok_or(USER)?,
            idempotency_key: key.map(|key| text(key).ok_or(IDEMPOTENCY_KEY)).transpose()?,
            request_hash: hash.and_then(from_hex).ok_or(REQUEST_HASH)?,
        }))
    }
}

/// The headers of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReplyHeaders {
    pub(super) correlation_id: Fingerprint,
    pub(super) status: u16,
    pub(super) repeated: bool,
}

impl ReplyHeaders {
    /// Appends them to `into`, as [`Headers`] reads them.
    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        let (id, status) = (to_hex(&self.correlation_id), self.status.to_string());
        let always = [(CORRELATION_ID, id.as_str()), (STATUS, &status)];
        let repeated = self.repeated.then_some((REPEATED, "true"));
        write(&always.into_iter().chain(repeated).collect::<Vec<_>>(), into);
    }

    /// `None`: the record is no reply.
    pub(super) fn read(headers: Headers<'_>) -> Option<Self> {
        Some(Self {
            correlation_id: headers.get(CORRELATION_ID).and_then(from_hex)?,
            status: headers.get(STATUS).and_then(number).filter(|status| (200..600).contains(status))?,
            repeated: headers.get(REPEATED).is_some(),
        })
    }
}

fn write(pairs: &[(&str, &str)], into: &mut Vec<u8>) {
    encode_headers(pairs.iter().map(|(name, value)| (name.as_bytes(), Some(value.as_bytes()))), into);
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn number<N: std::str::FromStr>(bytes: &[u8]) -> Option<N> {
    text(bytes)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            correlation_id: [u8; 16],
            request_hash: [u8; 16],
            partition in 0..i32::MAX,
            user: String,
            key: Option<String>,
            status in 200_u16..600,
            repeated: bool,
        ) {
            let address = ReplyAddress { correlation_id, partition };
            let command =
                CommandHeaders { address, user: &user, idempotency_key: key.as_deref(), request_hash };
            let mut bytes = Vec::new();
            command.encode(&mut bytes);
            prop_assert_eq!(CommandHeaders::read(Headers::new(&bytes)), Ok(Some(command)));
            let reply = ReplyHeaders { correlation_id, status, repeated };
            bytes.clear();
            reply.encode(&mut bytes);
            prop_assert_eq!(ReplyHeaders::read(Headers::new(&bytes)), Some(reply));
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>) {
            let _ = (CommandHeaders::read(Headers::new(&bytes)), ReplyHeaders::read(Headers::new(&bytes)));
        }
    }

    #[test]
    fn a_record_is_a_command_or_none_or_says_what_is_wrong_with_it() {
        let id = "00112233445566778899aabbccddeeff";
        let good = [(CORRELATION_ID, id), (REPLY_PARTITION, "3"), (USER, "ann"), (REQUEST_HASH, id)];
        let read = |pairs: &[(&str, &str)]| {
            let mut bytes = Vec::new();
            write(pairs, &mut bytes);
            CommandHeaders::read(Headers::new(&bytes)).map(|found| found.is_some())
        };
        assert_eq!(read(&good), Ok(true));
        assert_eq!(read(&[]), Ok(false));
        assert_eq!(read(&[(CORRELATION_ID, id), ("message-id", "x")]), Ok(false));
        for (index, (name, _)) in good.iter().enumerate() {
            let mut bad = good.to_vec();
            bad[index].1 = "-x";
            let expected = if *name == USER { Ok(true) } else { Err(*name) };
            assert_eq!(read(&bad), expected, "{name}");
            if *name != REPLY_PARTITION {
                bad.remove(index);
                assert_eq!(read(&bad), Err(*name));
            }
        }
    }
}
