//! What a request brings besides its path: parameters and an unpacked body.

use std::collections::HashMap;
use std::io::Read as _;

use axum::body::Bytes;
use axum::extract::{FromRequest, Query, Request};
use axum::http::header::CONTENT_ENCODING;
use serde_json::Value;

use super::refusal::Refusal;

/// The largest body taken, also after unpacking. Elasticsearch takes 100 MB; ours go up to the largest document, 10 MiB
/// by default, and some lines.
pub(super) const BODY_BYTES_MAX: usize = 32 << 20;

/// See the module's text.
pub(super) struct Asked {
    parameters: HashMap<String, String>,
    pub(super) body: Bytes,
}

impl Asked {
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// Whether a parameter is set; one without a value is.
    pub(super) fn is_set(&self, name: &str) -> bool {
        matches!(self.parameter(name), Some("true" | ""))
    }

    /// Whether the request waits until searches see what it wrote.
    pub(super) fn refreshes(&self) -> bool {
        self.is_set("refresh") || self.parameter("refresh") == Some("wait_for")
    }

    /// The body as JSON; null when there is none.
    pub(super) fn json(&self) -> Result<Value, Refusal> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| Refusal::new(400, "x_content_parse_exception", format!("not JSON: {error}")))
    }
}

impl<S: Send + Sync> FromRequest<S> for Asked {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let encoding = request.headers().get(CONTENT_ENCODING).map(|encoding| encoding.as_bytes().to_vec());
        let parameters =
            Query::try_from_uri(request.uri()).map_err(|error| Refusal::illegal(error.to_string()))?;
        let body = Bytes::from_request(request, state).await.map_err(|rejection| {
            Refusal::new(rejection.status().as_u16(), "content_too_long_exception", rejection.body_text())
        })?;
        Ok(Self { parameters: parameters.0, body: unpacked(body, encoding.as_deref())? })
    }
}

fn unpacked(body: Bytes, encoding: Option<&[u8]>) -> Result<Bytes, Refusal> {
    match encoding {
        None | Some(b"identity") => Ok(body),
        Some(b"gzip") => {
            let mut plain = Vec::new();
            let read = flate2::read::MultiGzDecoder::new(&body[..])
                .take(BODY_BYTES_MAX as u64 + 1)
                .read_to_end(&mut plain);
            read.map_err(|error| Refusal::illegal(format!("the body is not gzip: {error}")))?;
            if plain.len() > BODY_BYTES_MAX {
                let reason = format!("the body is longer than {BODY_BYTES_MAX} bytes when unpacked");
                return Err(Refusal::new(413, "content_too_long_exception", reason));
            }
            Ok(plain.into())
        }
        Some(other) => {
            let other = String::from_utf8_lossy(other);
            Err(Refusal::unsupported(format_args!("the content encoding [{other}]")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_is_refused() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::copy(&mut std::io::repeat(b' ').take(BODY_BYTES_MAX as u64 + 1), &mut packed).unwrap();
        let packed = packed.finish().unwrap();
        assert!(packed.len() < BODY_BYTES_MAX / 100);
        assert_eq!(unpacked(packed.into(), Some(b"gzip")).unwrap_err().status, 413);
        assert_eq!(unpacked(Bytes::new(), Some(b"br")).unwrap_err().status, 501);
    }
}
