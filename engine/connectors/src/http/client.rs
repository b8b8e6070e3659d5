//! The I/O half: requests out, answers in.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use thalweg_core::sink::{Reply, Request};

use super::answer::{self, HttpAnswer};
use super::call::{Call, Method};
use super::settings::HttpSettings;
use super::sink::LOOK_UP;
use crate::kafka::settings::SettingError;

/// A client of one system. Calls may run at once.
#[derive(Debug)]
pub struct HttpClient {
    client: reqwest::Client,
    base: String,
    idempotency_header: HeaderName,
    answer_bytes_max: usize,
}

impl HttpClient {
    /// A client by those settings. Connects only when something is sent.
    ///
    /// # Errors
    /// The setting that can't be.
    pub fn new(settings: &HttpSettings) -> Result<Self, SettingError> {
        settings.check()?;
        let bad = |key: &str, allowed: String| SettingError { key: key.into(), value: "***".into(), allowed };
        let mut headers = HeaderMap::new();
        if let Some(token) = &settings.bearer_token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.reveal()))
                .map_err(|error| bad("bearer_token", error.to_string()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let client = reqwest::Client::builder()
            .default_headers(headers)
            .user_agent("thalweg")
            .timeout(Duration::from_millis(settings.request_timeout_ms))
            .pool_max_idle_per_host(settings.concurrency.into())
            // A call is made where the settings say, or not at all.
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| bad("url", error.to_string()))?;
        let idempotency_header = HeaderName::from_bytes(settings.idempotency_header.as_bytes())
            .map_err(|error| bad("idempotency_header", error.to_string()))?;
        let (base, answer_bytes_max) = (settings.base()?, settings.answer_bytes_max as usize);
        Ok(Self { client, base, idempotency_header, answer_bytes_max })
    }

    /// Makes a call of the sink.
    pub async fn send(&self, request: Request) -> Reply {
        let Some(call) = Call::decode(&request.body) else {
            return Reply::NotSent("the request is not one of the HTTP sink's".to_owned());
        };
        let asked = match (request.operation, call.lookup) {
            (LOOK_UP, Some(path)) => self.lookup(path),
            _ => self.asked(&call),
        };
        let asked = match asked {
            Ok(asked) => asked,
            Err(why) => return Reply::NotSent(why),
        };
        match self.client.execute(asked).await {
            Ok(response) => self.taken(response).await,
            Err(error) if error.is_connect() => Reply::NotSent(self.explained(&error)),
            Err(error) => Reply::Unknown(self.explained(&error)),
        }
    }

    /// The request that asks what became of the call.
    fn lookup(&self, path: &str) -> Result<reqwest::Request, String> {
        let asked = self.client.get(format!("{}{path}", self.base)).build();
        asked.map_err(|error| self.explained(&error))
    }

    fn asked(&self, call: &Call<'_>) -> Result<reqwest::Request, String> {
        let method = match call.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Patch => reqwest::Method::PATCH,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut asked = self.client.request(method, format!("{}{}", self.base, call.path));
        asked = asked.header(&self.idempotency_header, call.idempotency_key);
        for (name, value) in call.headers.iter() {
            asked = asked.header(name, value.unwrap_or_default());
        }
        if !call.body.is_empty() {
            asked = asked.body(call.body.to_vec());
        }
        asked.build().map_err(|error| self.explained(&error))
    }

    /// Reads no more of the body than is allowed.
    async fn taken(&self, mut response: reqwest::Response) -> Reply {
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after_ms = retry_after.and_then(answer::retry_after_ms);
        let mut body = Vec::new();
        let whole = loop {
            match response.chunk().await {
                Ok(None) => break true,
                Ok(Some(chunk)) => {
                    let room = self.answer_bytes_max - body.len();
                    body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    if chunk.len() > room {
                        break false;
                    }
                }
                Err(error) => return Reply::Unknown(self.explained(&error)),
            }
        };
        Reply::Answer { status, body: HttpAnswer { retry_after_ms, whole, body }.encode() }
    }

    fn explained(&self, error: &reqwest::Error) -> String {
        let first = error as &(dyn std::error::Error + 'static);
        // The innermost says what happened; those around it repeat each other.
        let last = std::iter::successors(Some(first), |cause| cause.source()).last();
        format!("{}: {}", self.base, last.map_or_else(|| "failed".to_owned(), ToString::to_string))
    }
}
