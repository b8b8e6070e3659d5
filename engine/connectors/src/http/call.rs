//! The effect of the HTTP sink: one call, and how it lies in a lane.

use thalweg_core::headers::Headers;
use thalweg_core::sink::Domain;
use xxhash_rust::xxh3::xxh3_64;

/// What is done to the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads it.
    Get,
    /// Has something made or done there.
    Post,
    /// Puts it.
    Put,
    /// Changes it.
    Patch,
    /// Deletes it.
    Delete,
}

impl Method {
    const ALL: [Self; 5] = [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// As it stands in a request.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// A call that is to be made; may borrow from the record that asks for it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'e> {
    /// The method.
    pub method: Method,
    /// Path and query below the settings' URL; begins with `/`.
    pub path: &'e str,
    /// Headers beside the idempotency key and the settings' authorization. A content type belongs here.
    pub headers: Headers<'e>,
    /// The body; empty: none.
    pub body: &'e [u8],
    /// Names the call: made again with the same key it must have no second effect. At most 255 visible ASCII characters.
    pub idempotency_key: &'e str,
    /// What the flow needs to know when the answer is there (whose call it was); is not sent.
    pub note: &'e [u8],
    /// Where what became of the call can be looked up, for systems that do not know a call again by its key: path and
    /// query, as above. It is asked before the call is made, each time; 404 says that nothing is known of the call.
    pub lookup: Option<&'e str>,
}

/// Headers that the connector or the client sets.
const RESERVED: [&str; 5] = ["host", "content-length", "transfer-encoding", "connection", "authorization"];

const KEY_BYTES_MAX: usize = 255;

impl<'e> Call<'e> {
    /// Appends the call to `into`: a byte for the method, six 32-bit lengths, then the parts.
    ///
    /// # Panics
    /// When one of the parts is 4 GiB or longer; no record holds such a call.
    pub fn encode(&self, into: &mut Vec<u8>) {
        into.push(self.method as u8);
        let parts = self.parts();
        for part in parts {
            let length = u32::try_from(part.len());
            assert!(length.is_ok(), "a part of a call is far shorter than 4 GiB");
            into.extend_from_slice(&length.unwrap_or_default().to_le_bytes());
        }
        for part in parts {
            into.extend_from_slice(part);
        }
    }

    fn parts(&self) -> [&'e [u8]; 6] {
        let (path, key) = (self.path.as_bytes(), self.idempotency_key.as_bytes());
        let lookup = self.lookup.unwrap_or_default().as_bytes();
        [path, key, self.headers.as_bytes(), self.body, self.note, lookup]
    }

    /// Reads a call; `None` when the bytes are not an encoded call.
    #[must_use]
    pub fn decode(bytes: &'e [u8]) -> Option<Self> {
        let (method, mut rest) = bytes.split_first()?;
        let mut lengths = [0u32; 6];
        for length in &mut lengths {
            let (bytes, after) = rest.split_first_chunk()?;
            (*length, rest) = (u32::from_le_bytes(*bytes), after);
        }
        let mut parts = [&[][..]; 6];
        for (part, length) in parts.iter_mut().zip(lengths) {
            (*part, rest) = rest.split_at_checked(length as usize)?;
        }
        let [path, key, headers, body, note, lookup] = parts;
        let lookup = std::str::from_utf8(lookup).ok()?;
        Some(Self {
            method: *Method::ALL.get(usize::from(*method))?,
            path: std::str::from_utf8(path).ok()?,
            headers: Headers::new(headers),
            body,
            idempotency_key: std::str::from_utf8(key).ok()?,
            note,
            lookup: (!lookup.is_empty()).then_some(lookup),
        })
        .filter(|_| rest.is_empty())
    }

    /// The order domain: the call itself. What orders calls of a key is that a lane has one of them out at a time.
    #[must_use]
    pub fn domain(&self) -> Domain {
        Domain(xxh3_64(self.idempotency_key.as_bytes()))
    }

    /// Why the call can't be made, if it can't: what it is made of comes from records.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn check(&self, idempotency_header: &str) -> Result<(), String> {
        check_path(self.path)?;
        self.lookup.map_or(Ok(()), check_path)?;
        let key = self.idempotency_key;
        if key.is_empty() || key.len() > KEY_BYTES_MAX || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("the idempotency key must be 1 to {KEY_BYTES_MAX} visible ASCII characters"));
        }
        for (name, value) in self.headers.iter() {
            check_header(name, value, idempotency_header)?;
        }
        Ok(())
    }
}

/// The path stays below the settings' URL: no dot segments, nothing that a server could take for another path.
fn check_path(path: &str) -> Result<(), String> {
    let say = |why: &str| Err(format!("the path {path:?} {why}"));
    if !path.starts_with('/') {
        return say("does not begin with `/`");
    }
    if !path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\')) {
        return say("holds a character that must be percent-encoded");
    }
    let path_only = path.split('?').next().unwrap_or_default();
    let is_dots =
        |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    if path_only.split('/').any(is_dots) {
        return say("leads elsewhere by `.` or `..`");
    }
    Ok(())
}

fn check_header(name: &[u8], value: Option<&[u8]>, idempotency_header: &str) -> Result<(), String> {
    let shown = String::from_utf8_lossy(name);
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if name.is_empty() || !name.iter().all(is_token) {
        return Err(format!("the header name {shown:?} is none"));
    }
    if RESERVED.iter().chain([&idempotency_header]).any(|reserved| shown.eq_ignore_ascii_case(reserved)) {
        return Err(format!("the header {shown} is not the record's to set"));
    }
    let Some(value) = value else { return Err(format!("the header {shown} has no value")) };
    if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err(format!("the value of the header {shown} holds a control character"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use thalweg_core::headers::encode_headers;

    use super::*;

    fn call(path: &'static str) -> Call<'static> {
        Call {
            method: Method::Post,
            path,
            headers: Headers::default(),
            body: b"",
            idempotency_key: "k",
            note: b"",
            lookup: None,
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read_back(
            method in 0..Method::ALL.len(),
            path in "/[a-z]{0,9}",
            key in "[a-z]{1,9}",
            pairs: Vec<(Vec<u8>, Option<Vec<u8>>)>,
            body: Vec<u8>,
            note: Vec<u8>,
            lookup in proptest::option::of("/[a-z]{0,9}"),
        ) {
            let mut headers = Vec::new();
            encode_headers(pairs.iter().map(|(n, v)| (n.as_slice(), v.as_deref())), &mut headers);
            let headers = Headers::new(&headers);
            let call = Call {
                method: Method::ALL[method], path: &path, headers, body: &body, idempotency_key: &key, note: &note,
                lookup: lookup.as_deref(),
            };
            let mut bytes = Vec::new();
            call.encode(&mut bytes);
            let read = Call::decode(&bytes).unwrap();
            prop_assert_eq!(read.method, call.method);
            prop_assert_eq!(read.parts(), call.parts());
            bytes.push(0);
            prop_assert!(Call::decode(&bytes).is_none());
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Call::decode(&bytes);
        }
    }

    #[test]
    fn a_path_stays_where_it_belongs() {
        for fine in ["/", "/charges", "/charges/a.b?x=..", "/a%20b", "/...", "//x"] {
            call(fine).check("idempotency-key").unwrap();
        }
        for bad in
            ["", "charges", "/a b", "/a#b", "/ä", "/../x", "/a/..", "/a/%2E%2e/b", "/a/.?b", "/a\\b", "/a\nb"]
        {
            assert!(call(bad).check("idempotency-key").is_err(), "{bad:?}");
            assert!(Call { lookup: Some(bad), ..call("/") }.check("idempotency-key").is_err(), "{bad:?}");
        }
    }

    #[test]
    fn keys_and_headers_that_can_not_be_sent_are_told() {
        let with_key = |key: &str| Call { idempotency_key: key, ..call("/") }.check("idempotency-key");
        assert!(with_key("a-1.B").is_ok());
        assert!(["", "a b", "ä", &"x".repeat(256)].iter().all(|key| with_key(key).is_err()));
        let with_header = |name: &str, value: Option<&str>| {
            let mut bytes = Vec::new();
            encode_headers([(name.as_bytes(), value.map(str::as_bytes))].into_iter(), &mut bytes);
            Call { headers: Headers::new(&bytes), ..call("/") }.check("Idempotency-Key")
        };
        assert!(with_header("content-type", Some("text/plain")).is_ok());
        let bad = [
            ("", Some("x")),
            ("a b", Some("x")),
            ("x", None),
            ("x", Some("a\r\nhost: b")),
            ("Host", Some("b")),
            ("idempotency-key", Some("b")),
        ];
        for (name, value) in bad {
            assert!(with_header(name, value).is_err(), "{name:?}: {value:?}");
        }
    }
}
