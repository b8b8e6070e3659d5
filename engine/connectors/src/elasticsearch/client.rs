//! The I/O half: requests out, replies in, over the `elasticsearch` crate's transport.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use elasticsearch::auth::Credentials;
use elasticsearch::http::headers::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use elasticsearch::http::transport::{SingleNodeConnectionPool, Transport, TransportBuilder};
use thalweg_core::sink::{Reply, Request};
use url::Url;

use super::operation::{Method, Operation, Target};
use super::settings::ElasticsearchSettings;
use crate::kafka::settings::SettingError;

/// A node that failed is passed over for so long, while others are there.
const AVOIDED_MS: u64 = 5_000;

/// A client of one cluster. Requests may run at once; each goes to the next node in turn.
#[derive(Debug)]
pub struct ElasticsearchClient {
    nodes: Vec<Node>,
    turn: AtomicUsize,
    started: Instant,
    target: Target,
    compress: bool,
    answer_bytes_max: usize,
}

#[derive(Debug)]
struct Node {
    url: String,
    transport: Transport,
    /// Until when it is passed over, in ms since the client was made.
    avoided_until_ms: AtomicU64,
}

impl ElasticsearchClient {
    /// A client by those settings. Connects only when something is sent.
    ///
    /// # Errors
    /// The setting that can't be.
    pub fn new(settings: &ElasticsearchSettings) -> Result<Self, SettingError> {
        settings.check()?;
        let bad = |key: &str, value: &str, allowed: String| SettingError {
            key: key.into(),
            value: value.into(),
            allowed,
        };
        let target = Target::new(&*settings.alias).map_err(|why| bad("alias", &settings.alias, why))?;
        let mut nodes = Vec::new();
        for node in &settings.nodes {
            let url = Url::parse(node).map_err(|error| bad("nodes", node, error.to_string()))?;
            let builder = secured(TransportBuilder::new(SingleNodeConnectionPool::new(url)), settings)?;
            let transport = builder.build().map_err(|error| bad("nodes", node, error.to_string()))?;
            nodes.push(Node { url: node.clone(), transport, avoided_until_ms: AtomicU64::new(0) });
        }
        Ok(Self {
            nodes,
            turn: AtomicUsize::new(0),
            started: Instant::now(),
            target,
            compress: settings.compress,
            answer_bytes_max: settings.answer_bytes_max,
        })
    }

    /// Sends a request of the sink.
    pub async fn send(&self, request: Request) -> Reply {
        match Operation::of(request.operation) {
            Some(operation) => self.call(operation, "", request.body).await,
            None => Reply::NotSent(format!("no operation {}", request.operation)),
        }
    }

    /// Sends a request; `index` is the index behind the alias, where the operation bypasses the alias.
    ///
    /// What surely was not sent goes to the next node, each node once.
    pub(super) async fn call(&self, operation: Operation, index: &str, body: Vec<u8>) -> Reply {
        let (method, path) = self.target.endpoint(operation, index);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(operation.content_type()));
        let body = match self.compress.then(|| compressed(&body)) {
            Some(Ok(packed)) if !body.is_empty() => {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                Bytes::from(packed)
            }
            _ => Bytes::from(body),
        };
        let mut not_sent = Vec::new();
        for node in self.nodes_in_turn() {
            let reply = self.exchange(node, method, &path, headers.clone(), body.clone()).await;
            let failed = match &reply {
                Reply::Answer { status, .. } => matches!(status, 502..=504),
                _ => true,
            };
            let until_ms = if failed { self.elapsed_ms() + AVOIDED_MS } else { 0 };
            node.avoided_until_ms.store(until_ms, Ordering::Relaxed);
            match reply {
                Reply::NotSent(why) => not_sent.push(why),
                reply => return reply,
            }
        }
        Reply::NotSent(not_sent.join("; "))
    }

    fn elapsed_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// Every node once: those in order first, beginning with the one whose turn it is, then those that failed lately.
    fn nodes_in_turn(&self) -> Vec<&Node> {
        let (first, now_ms) = (self.turn.fetch_add(1, Ordering::Relaxed), self.elapsed_ms());
        let mut nodes: Vec<&Node> = self.nodes.iter().collect();
        nodes.rotate_left(first % self.nodes.len());
        nodes.sort_by_key(|node| {
            let until_ms = node.avoided_until_ms.load(Ordering::Relaxed);
            if until_ms > now_ms { until_ms } else { 0 }
        });
        nodes
    }

    async fn exchange(
        &self,
        node: &Node,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Reply {
        let method = match method {
            Method::Get => elasticsearch::http::Method::Get,
            Method::Post => elasticsearch::http::Method::Post,
            Method::Put => elasticsearch::http::Method::Put,
        };
        let body = (!body.is_empty()).then_some(body);
        let sent = node.transport.send(method, path, headers, None::<&()>, body, None).await;
        let response = match sent {
            Ok(response) => response,
            Err(error) if failed_to_connect(&error) => return Reply::NotSent(explained(&node.url, &error)),
            Err(error) => return Reply::Unknown(explained(&node.url, &error)),
        };
        let status = response.status_code().as_u16();
        let too_long = |len: u64| len > self.answer_bytes_max as u64;
        let say = |len: u64| Reply::Unknown(format!("{}: an answer of {len} bytes is too long", node.url));
        if let Some(len) = response.content_length().filter(|&len| too_long(len)) {
            return say(len);
        }
        match response.bytes().await {
            Ok(body) if too_long(body.len() as u64) => say(body.len() as u64),
            Ok(body) => Reply::Answer { status, body: body.into() },
            Err(error) => Reply::Unknown(explained(&node.url, &error)),
        }
    }
}

fn secured(
    mut builder: TransportBuilder,
    settings: &ElasticsearchSettings,
) -> Result<TransportBuilder, SettingError> {
    // The client would ask for compressed answers, and unpack them on the worker's thread.
    builder = builder
        .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
        .enable_meta_header(false)
        .disable_proxy()
        .timeout(Duration::from_millis(settings.request_timeout_ms));
    if let (Some(user), Some(password)) = (&settings.username, &settings.password) {
        builder = builder.auth(Credentials::Basic(user.clone(), password.reveal().to_owned()));
    }
    if let Some(key) = &settings.api_key {
        builder = builder.auth(Credentials::EncodedApiKey(key.reveal().to_owned()));
    }
    trusting(builder, settings.ca_file.as_deref())
}

#[cfg(feature = "tls")]
fn trusting(builder: TransportBuilder, ca_file: Option<&str>) -> Result<TransportBuilder, SettingError> {
    use elasticsearch::cert::{Certificate, CertificateValidation};
    let Some(file) = ca_file else { return Ok(builder) };
    let bad = |why: String| SettingError { key: "ca_file".into(), value: file.into(), allowed: why };
    let pem = std::fs::read(file).map_err(|error| bad(format!("can't be read: {error}")))?;
    let authorities = Certificate::from_pem(&pem)
        .map_err(|error| bad(format!("must be a PEM file of certificates: {error}")))?;
    Ok(builder.cert_validation(CertificateValidation::Full(authorities)))
}

#[cfg(not(feature = "tls"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")]
fn trusting(builder: TransportBuilder, _ca_file: Option<&str>) -> Result<TransportBuilder, SettingError> {
    // Settings with a CA file were refused.
    Ok(builder)
}

/// The fastest level: it takes a third of the default's time for a tenth more bytes.
fn compressed(body: &[u8]) -> std::io::Result<Vec<u8>> {
    use std::io::Write as _;
    let mut encoder =
        flate2::write::GzEncoder::new(Vec::with_capacity(body.len() / 4), flate2::Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

/// Whether the request surely never left: refused, unresolved, or no TLS session. A timeout may have been later.
fn failed_to_connect(error: &elasticsearch::Error) -> bool {
    causes(error).any(|cause| cause.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect))
}

fn explained(node: &str, error: &elasticsearch::Error) -> String {
    let causes: Vec<String> = causes(error).map(ToString::to_string).collect();
    // The innermost says what happened; those around it repeat each other.
    format!("{node}: {}", causes.last().map_or("failed", String::as_str))
}

fn causes(error: &elasticsearch::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |cause| cause.source())
}
