//! A request as routes see it, and what they make of it.

use axum::extract::Query;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::fingerprint::{Fingerprint, fingerprint, to_hex};
use super::problem::Problem;

/// A request that was read in full, and whose sender is known.
#[derive(Debug, Clone, Copy)]
pub struct Request<'r> {
    /// Who sent it, as the token says; empty where a route is open and no token came.
    pub user: &'r str,
    /// The header `Idempotency-Key`.
    pub idempotency_key: Option<&'r str>,
    /// The body's bytes.
    pub body: &'r [u8],
    pub(super) head: &'r Parts,
    pub(super) parameters: &'r [(String, String)],
}

/// What a command becomes: a record of the flow's topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommand {
    /// Decides the partition, and which commands have an order.
    pub key: Vec<u8>,
    /// What is asked for, as the operator will read it.
    pub value: Vec<u8>,
}

impl<'r> Request<'r> {
    /// The parameter of that name in the route's path, without percent-encoding; empty when the route has none.
    #[must_use]
    pub fn parameter(&self, name: &str) -> &'r str {
        let found = self.parameters.iter().find(|(found, _)| found == name);
        found.map_or("", |(_, value)| value)
    }

    /// The query, as it was sent.
    #[must_use]
    pub fn query(&self) -> Option<&'r str> {
        self.head.uri.query()
    }

    /// The query's parameters, as they were sent: those that `T` names, without percent-encoding.
    ///
    /// # Errors
    /// When they are not of that form: a 400.
    pub fn query_as<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        Query::try_from_uri(&self.head.uri).map(|Query(parameters)| parameters).map_err(|error| {
            Problem::new(400, "malformed-query", format!("the query is not what it must be: {error}"))
        })
    }

    /// A header that is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'r str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// The body, which must be JSON of that form.
    ///
    /// # Errors
    /// When it is not: a 400 that says where.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(self.body).map_err(|error| {
            Problem::new(400, "malformed-body", format!("the body is not what it must be: {error}"))
        })
    }

    /// An id for something new of that kind, in 32 hexadecimal digits: for a repeat with the same idempotency key the same
    /// one, without a key a random one.
    #[must_use]
    pub fn new_id(&self, kind: &str) -> String {
        match self.idempotency_key {
            Some(key) => to_hex(&fingerprint(&[kind.as_bytes(), self.user.as_bytes(), key.as_bytes()])),
            None => to_hex(&super::waiting::random_id()),
        }
    }

    /// Stands for what is asked for: method, path with query, and body.
    pub(super) fn hash(&self) -> Fingerprint {
        let path = self.head.uri.path_and_query().map_or("", |path| path.as_str());
        fingerprint(&[self.head.method.as_str().as_bytes(), path.as_bytes(), self.body])
    }
}

/// An idempotency key is a header of a record.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;

/// The header `Idempotency-Key`, if it was sent.
pub(super) fn idempotency_key(head: &Parts) -> Result<Option<&str>, Problem> {
    let mut found = head.headers.get_all("idempotency-key").iter();
    let Some(key) = found.next() else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()));
    match (key, found.next()) {
        (Some(key), None) => Ok(Some(key)),
        _ => Err(Problem::new(
            400,
            "malformed-idempotency-key",
            format!(
                "Idempotency-Key must be sent once, with 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible characters"
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use axum::http;

    use super::*;

    fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let builder = http::Request::builder().method(method).uri(uri);
        let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
        builder.body(()).unwrap().into_parts().0
    }

    fn request<'r>(head: &'r Parts, user: &'r str, body: &'r [u8]) -> Request<'r> {
        Request { user, idempotency_key: idempotency_key(head).unwrap(), body, head, parameters: &[] }
    }

    #[test]
    fn idempotency_keys_are_taken_or_refused() {
        let of = |headers: &[(&str, &str)]| {
            idempotency_key(&head("POST", "/", headers)).map(|key| key.map(str::to_owned))
        };
        let long = "k".repeat(128);
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[("Idempotency-Key", "a b")]), Ok(Some("a b".to_owned())));
        assert_eq!(of(&[("idempotency-key", &long)]), Ok(Some(long.clone())));
        let longer = format!("{long}k");
        let refused: [&[(&str, &str)]; 4] = [
            &[("idempotency-key", "")],
            &[("idempotency-key", &longer)],
            &[("idempotency-key", "ä")],
            &[("idempotency-key", "a"), ("idempotency-key", "a")],
        ];
        for headers in refused {
            assert_eq!(of(headers).unwrap_err().status, 400, "{headers:?}");
        }
    }

    #[test]
    fn a_repeat_names_the_same_thing_and_nothing_else_does() {
        let (with, other) =
            (head("POST", "/", &[("idempotency-key", "k")]), head("POST", "/", &[("idempotency-key", "l")]));
        let id = request(&with, "ann", b"").new_id("order");
        assert_eq!(id, request(&with, "ann", b"other").new_id("order"));
        assert_ne!(id, request(&with, "bob", b"").new_id("order"));
        assert_ne!(id, request(&with, "ann", b"").new_id("ticket"));
        assert_ne!(id, request(&other, "ann", b"").new_id("order"));
        let without = head("POST", "/", &[]);
        assert_ne!(request(&without, "ann", b"").new_id("x"), request(&without, "ann", b"").new_id("x"));
    }

    #[test]
    fn requests_are_told_apart_by_method_path_query_and_body() {
        let hash = |method, uri, body| request(&head(method, uri, &[]), "", body).hash();
        let one = hash("POST", "/a?b", b"c");
        assert_eq!(one, hash("POST", "/a?b", b"c"));
        for other in [hash("PUT", "/a?b", b"c"), hash("POST", "/a", b"c"), hash("POST", "/a?b", b"d")] {
            assert_ne!(one, other);
        }
    }
}
