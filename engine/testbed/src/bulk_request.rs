//! Reading the body of an Elasticsearch `_bulk` request: pairs of lines, an action and (but for delete) a document.

use std::borrow::Cow;
use std::io::Read;

use bytes::Bytes;
use serde::Deserialize;

/// The largest request body taken, also after unpacking: Elasticsearch's own default limit.
pub(crate) const BODY_BYTES_MAX: usize = 100 * 1024 * 1024;

/// What an action line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Operation {
    /// Write the document, whether it is there or not.
    Index,
    /// Write the document if it is not there.
    Create,
    /// Change parts of the document.
    Update,
    /// Remove the document.
    Delete,
}

impl Operation {
    /// Its name in requests and answers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// What an action line says about the document. Unknown fields are left to the real server to refuse.
#[derive(Debug, Deserialize)]
pub(crate) struct Target<'a> {
    #[serde(borrow, rename = "_index")]
    pub(crate) index: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "_id")]
    pub(crate) id: Option<Cow<'a, str>>,
    pub(crate) version: Option<u64>,
    #[serde(borrow)]
    pub(crate) version_type: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ActionLine<'a> {
    #[serde(borrow)]
    Index(Target<'a>),
    #[serde(borrow)]
    Create(Target<'a>),
    #[serde(borrow)]
    Update(Target<'a>),
    #[serde(borrow)]
    Delete(Target<'a>),
}

/// One item of a bulk request.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    pub(crate) operation: Operation,
    pub(crate) target: Target<'a>,
    /// The document's line, without its line feed; empty for delete.
    pub(crate) source: &'a [u8],
    /// Both lines as they came, line feeds included.
    pub(crate) lines: &'a [u8],
}

/// Walks the items of a body; yields an error, and then nothing more, where it is not a bulk request.
pub(crate) struct Items<'a> {
    rest: &'a [u8],
}

/// The items of `body`.
pub(crate) fn items(body: &[u8]) -> Items<'_> {
    Items { rest: body }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Item<'a>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(rest) = self.rest.strip_prefix(b"\n") {
            self.rest = rest;
        }
        if self.rest.is_empty() {
            return None;
        }
        let item = self.take_item();
        if item.is_err() {
            self.rest = &[];
        }
        Some(item)
    }
}

impl<'a> Items<'a> {
    fn take_item(&mut self) -> Result<Item<'a>, String> {
        let start = self.rest;
        let action = self.take_line()?;
        let parsed = serde_json::from_slice(action)
            .map_err(|error| format!("malformed action/metadata line: {error}"))?;
        let (operation, target) = match parsed {
            ActionLine::Index(target) => (Operation::Index, target),
            ActionLine::Create(target) => (Operation::Create, target),
            ActionLine::Update(target) => (Operation::Update, target),
            ActionLine::Delete(target) => (Operation::Delete, target),
        };
        let source = if operation == Operation::Delete { &[] } else { self.take_line()? };
        let lines = start.get(..start.len() - self.rest.len()).unwrap_or_default();
        Ok(Item { operation, target, source, lines })
    }

    fn take_line(&mut self) -> Result<&'a [u8], String> {
        let end = memchr::memchr(b'\n', self.rest)
            .ok_or("the bulk request must be terminated by a newline [\\n]")?;
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        Ok(line)
    }
}

/// The body as it was before the client compressed it.
pub(crate) fn unpacked(body: Bytes, encoding: Option<&str>) -> Result<Bytes, String> {
    match encoding {
        None | Some("identity") => Ok(body),
        Some("gzip") => {
            let mut plain = Vec::with_capacity(body.len() * 4);
            let limit = BODY_BYTES_MAX as u64 + 1;
            flate2::read::MultiGzDecoder::new(&body[..])
                .take(limit)
                .read_to_end(&mut plain)
                .map_err(|error| format!("not gzip: {error}"))?;
            if plain.len() > BODY_BYTES_MAX {
                return Err(format!("more than {BODY_BYTES_MAX} bytes unpacked"));
            }
            Ok(plain.into())
        }
        Some(other) => Err(format!("content encoding [{other}] is not understood")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_paired_and_kept_as_they_came() {
        let body =
            b"{\"index\":{\"_id\":\"a\\u0062\",\"version\":7,\"version_type\":\"external\"}}\n{\"x\":1}\n\n\
            {\"delete\":{\"_index\":\"i\",\"_id\":\"c\"}}\n{\"create\":{}}\n{}\n";
        let all: Vec<Item> = items(body).map(Result::unwrap).collect();
        let seen: Vec<_> =
            all.iter().map(|item| (item.operation, item.target.id.as_deref(), item.source)).collect();
        assert_eq!(
            seen,
            [
                (Operation::Index, Some("ab"), b"{\"x\":1}".as_slice()),
                (Operation::Delete, Some("c"), b""),
                (Operation::Create, None, b"{}"),
            ]
        );
        assert_eq!(all[0].target.version, Some(7));
        assert_eq!(all[2].lines, b"{\"create\":{}}\n{}\n");
    }

    #[test]
    fn what_is_no_bulk_request_is_an_error_once() {
        for bad in [&b"{\"index\":{}}\n{\"cut"[..], b"nonsense\n{}\n", b"{\"index\":{}}\n"] {
            let all: Vec<_> = items(bad).collect();
            assert_eq!(all.len(), 1);
            assert!(all[0].is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::copy(&mut std::io::repeat(b' ').take(BODY_BYTES_MAX as u64 + 1), &mut packed).unwrap();
        let packed = packed.finish().unwrap();
        assert!(packed.len() < BODY_BYTES_MAX / 100);
        assert!(unpacked(packed.into(), Some("gzip")).is_err());
    }
}
