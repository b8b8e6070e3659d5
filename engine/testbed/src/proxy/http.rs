//! A proxy before Elasticsearch that answers some requests, or some documents, itself.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;

use super::gate::Gate;
use super::rule::{ActiveRule, Fault, Rule, RuleHandle};
use super::splice::{Split, count, holds, split};
use crate::answer::{Answer, refusal};
use crate::background::Background;
use crate::bulk_request::{BODY_BYTES_MAX, unpacked};

/// Exchanges remembered; older ones are only counted.
const EXCHANGES_MAX: usize = 100_000;

/// A request that came by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// `POST`, …
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Bytes of the request's body, as sent (packed or not).
    pub bytes: usize,
    /// Items, if it was a bulk request.
    pub documents: usize,
    /// The status answered; `None`: the proxy hung up.
    pub status: Option<u16>,
}

/// An HTTP proxy on loopback whose rules can be changed while it runs.
#[derive(Debug)]
pub struct HttpProxy {
    gate: Gate,
    shared: Arc<Shared>,
    _background: Background,
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    client: reqwest::Client,
    rules: Mutex<Vec<Arc<ActiveRule>>>,
    seen: Mutex<VecDeque<Exchange>>,
}

impl HttpProxy {
    /// Listens on a free port and forwards to `upstream` (`http://HOST:PORT`).
    ///
    /// # Errors
    /// When no port or thread can be had.
    pub fn start(upstream: &str) -> io::Result<Self> {
        let client =
            reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        let shared = Arc::new(Shared {
            upstream: upstream.trim_end_matches('/').to_owned(),
            client: client.map_err(io::Error::other)?,
            rules: Mutex::default(),
            seen: Mutex::default(),
        });
        let background = Background::start("http-proxy")?;
        let _inside = background.handle().enter();
        let serving = Arc::clone(&shared);
        let gate = Gate::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), move |stream| {
            serve(Arc::clone(&serving), stream)
        })?;
        Ok(Self { gate, shared, _background: background })
    }

    /// Before the shared Elasticsearch.
    ///
    /// # Errors
    /// When no port or thread can be had.
    ///
    /// # Panics
    /// When there is no Elasticsearch, see [`crate::servers::elasticsearch`].
    pub fn before_shared_elasticsearch() -> io::Result<Self> {
        Self::start(&crate::servers::elasticsearch())
    }

    /// Where clients connect: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.gate.address())
    }

    /// Puts a rule to work, after those there are; of several that concern a request the first acts (delays and items:
    /// each).
    pub fn add(&self, rule: Rule) -> RuleHandle {
        let active = Arc::new(ActiveRule::new(rule));
        self.shared.rules.lock().push(Arc::clone(&active));
        RuleHandle(active)
    }

    /// Ends all rules and accepts connections.
    pub fn heal(&self) {
        self.shared.rules.lock().clear();
        self.gate.set_open(true);
    }

    /// Refuses connections and cuts those there are, until [`heal`](Self::heal).
    pub fn refuse(&self) {
        self.gate.set_open(false);
    }

    /// Ends every connection there is; new ones are served.
    pub fn cut(&self) {
        self.gate.cut();
    }

    /// The requests so far (the latest 100,000), in the order they were answered.
    #[must_use]
    pub fn seen(&self) -> Vec<Exchange> {
        self.shared.seen.lock().iter().cloned().collect()
    }
}

async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move {
            let answer = shared.answer(request).await;
            // An error makes the server hang up.
            answer.ok_or_else(|| io::Error::other("told to hang up"))
        }
    });
    // How a client ends its connection is its business.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl Shared {
    /// `None`: hang up.
    async fn answer(&self, request: Request<Incoming>) -> Option<Answer> {
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
            Ok(body) => body.to_bytes(),
            Err(_) => return Some(refusal(413)),
        };
        let mut exchange =
            Exchange { method: head.method.to_string(), path, bytes: body.len(), documents: 0, status: None };
        let encoding = head.headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
        let plain = exchange.path.ends_with("_bulk").then(|| unpacked(body.clone(), encoding).ok()).flatten();
        exchange.documents = plain.as_deref().map_or(0, count);
        let answer = self.treat(&exchange.path, head, body, plain).await;
        exchange.status = answer.as_ref().map(|answer| answer.status().as_u16());
        let mut seen = self.seen.lock();
        if seen.len() == EXCHANGES_MAX {
            seen.pop_front();
        }
        seen.push_back(exchange);
        answer
    }

    /// Applies the rules in force; `None`: hang up.
    async fn treat(
        &self,
        path: &str,
        head: hyper::http::request::Parts,
        body: Bytes,
        plain: Option<Bytes>,
    ) -> Option<Answer> {
        let rules: Vec<Arc<ActiveRule>> =
            self.rules.lock().iter().filter(|rule| rule.concerns(path)).cloned().collect();
        let mut drop_answer = false;
        for rule in &rules {
            match rule.rule.fault {
                Fault::AnswerTo(status, ref picks)
                    if plain.as_deref().is_some_and(|plain| holds(plain, picks)) && rule.act() =>
                {
                    return Some(refusal(status));
                }
                Fault::DelayMs(ms) if rule.act() => tokio::time::sleep(Duration::from_millis(ms)).await,
                Fault::Answer(status) if rule.act() => return Some(refusal(status)),
                Fault::DropRequest if rule.act() => return None,
                Fault::DropAnswer if rule.act() => {
                    drop_answer = true;
                    break;
                }
                _ => {}
            }
        }
        let parts = plain.and_then(|plain| split(&plain, path, &rules.iter().map(AsRef::as_ref)));
        let answer = match parts {
            None => self.forward(head, body).await,
            Some(parts) => self.forward_part(head, parts).await,
        };
        if drop_answer { None } else { answer }
    }

    async fn forward_part(&self, mut head: hyper::http::request::Parts, parts: Split) -> Option<Answer> {
        if parts.forwarded.is_empty() {
            return parts.merge(None).map(|body| crate::answer::json_answer(200, body));
        }
        head.headers.remove(header::CONTENT_ENCODING);
        let answer = self.forward(head, parts.forwarded.clone()).await?;
        let (answer_head, body) = answer.into_parts();
        let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes);
        let merged = if answer_head.status.is_success() { parts.merge(Some(&body)) } else { None };
        Some(Response::from_parts(answer_head, Full::new(merged.map_or(body, Bytes::from))))
    }

    /// `None` when the server can't be reached or hangs up: then so does the proxy.
    async fn forward(&self, head: hyper::http::request::Parts, body: Bytes) -> Option<Answer> {
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let mut headers = end_to_end(&head.headers);
        // Item answers are read here.
        headers.remove(header::ACCEPT_ENCODING);
        headers.remove(header::HOST);
        let is_head = head.method == Method::HEAD;
        let request = self
            .client
            .request(head.method, format!("{}{target}", self.upstream))
            .headers(headers)
            .body(body);
        let answer = request.send().await.ok()?;
        let (status, headers) = (answer.status(), end_to_end(answer.headers()));
        let body = if is_head { Bytes::new() } else { answer.bytes().await.ok()? };
        let mut answer = Response::new(Full::new(body));
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        Some(answer)
    }
}

/// Without what concerns one connection, or the length of one body.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    for name in [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::CONTENT_LENGTH,
        header::EXPECT,
        header::UPGRADE,
    ] {
        kept.remove(name);
    }
    kept.remove("keep-alive");
    kept
}
