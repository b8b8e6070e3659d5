//! A client: requests, and what came back.

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::blocking::{Client, RequestBuilder, Response};
use serde_json::Value;
use thalweg::commands::TokenKey;
use thalweg::kafka::Secret;

use crate::scene::SECRET;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Fails unless the body is a problem of that kind.
    pub(crate) fn assert_problem(&self, status: u16, name: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.body["type"], format!("urn:problem:{name}"), "{self:?}");
        assert_eq!(self.body["status"], status, "{self:?}");
        assert!(self.body["title"].is_string() && self.body["detail"].is_string(), "{self:?}");
    }
}

pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// A token that counts for an hour.
pub(crate) fn token(user: &str) -> String {
    TokenKey::new(&Secret::new(SECRET)).unwrap().issue(user, now_ms(), 3_600_000).unwrap()
}

/// One user at one instance.
pub(crate) struct User {
    client: Client,
    address: String,
    token: String,
}

impl User {
    pub(crate) fn new(name: &str, address: &str) -> Self {
        let client = Client::builder().timeout(thalweg_testbed::instance::PATIENCE).build().unwrap();
        Self { client, address: address.to_owned(), token: token(name) }
    }

    /// A request without a token.
    pub(crate) fn plain(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(method.parse().unwrap(), format!("http://{}{path}", self.address))
    }

    /// A request of this user's.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.plain(method, path).bearer_auth(&self.token)
    }

    /// What this user is told there.
    pub(crate) fn get(&self, path: &str) -> Answer {
        send(self.request("GET", path))
    }

    /// As [`User::get`], with everything that was written before.
    pub(crate) fn get_all(&self, path: &str) -> Answer {
        send(self.request("GET", path).header("Cache-Control", "no-cache"))
    }

    /// Raises a counter by one; `None`: nobody takes requests there any more.
    pub(crate) fn try_raise(&self, counter: &str) -> Option<Answer> {
        let request = self.request("POST", &format!("/counters/{counter}")).body("{\"by\":1}");
        request.send().ok().map(of)
    }

    /// Raises a counter, under that idempotency key.
    pub(crate) fn raise(&self, counter: &str, by: u64, key: Option<&str>) -> Answer {
        let request = self.request("POST", &format!("/counters/{counter}")).body(format!("{{\"by\":{by}}}"));
        send(match key {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        })
    }
}

/// Sends it; it must be answered.
pub(crate) fn send(request: RequestBuilder) -> Answer {
    of(request.send().unwrap())
}

fn of(response: Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().unwrap();
    let body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{status} {text:?}: {error}"));
    Answer { status, headers, body }
}
