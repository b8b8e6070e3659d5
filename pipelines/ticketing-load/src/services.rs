//! The services over HTTP. An instance that does not answer is left for the next one; a command is repeated, with the same
//! idempotency key, until it is answered.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use ticketing_audit::{Answered, Sent, Verb};

use crate::answers::Answers;
use crate::people::Person;
use crate::settings::Settings;

/// Before a command is repeated, and the most by which that grows.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Which service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Tickets,
    Orders,
    Payments,
}

/// What somebody wants.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) verb: Verb,
    /// The id of what is to be changed; `None` for something new.
    pub(crate) id: Option<String>,
    pub(crate) body: Option<Value>,
}

/// How a command was answered; without a status, not at all.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: Option<StatusCode>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn accepted(&self) -> bool {
        self.status.is_some_and(|status| status.is_success())
    }

    pub(crate) fn is(&self, status: StatusCode) -> bool {
        self.status == Some(status)
    }

    /// A text of its body.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.body.get(name)?.as_str()
    }
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Services {
    client: Client,
    addresses: [Vec<String>; 3],
    next: AtomicUsize,
    patience: Duration,
    keys: AtomicU64,
    run: String,
    pub(crate) answers: Answers,
    /// Requests that were repeated.
    pub(crate) repeats: AtomicU64,
}

impl Services {
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let client = Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(settings.request_seconds))
            .connect_timeout(Duration::from_secs(2))
            .build()?;
        Ok(Self {
            client,
            addresses: [settings.tickets.clone(), settings.orders.clone(), settings.payments.clone()],
            next: AtomicUsize::new(0),
            patience: Duration::from_secs(settings.patience_seconds),
            keys: AtomicU64::new(0),
            run: format!("{:x}", fastrand::u64(..)),
            answers: Answers::create(&settings.answers)?,
            repeats: AtomicU64::new(0),
        })
    }

    /// Sends a command until it is answered, and lists it.
    pub(crate) async fn command(&self, who: &Person, wanted: Wanted) -> Answer {
        let key = format!("{}-{}", self.run, self.keys.fetch_add(1, Ordering::Relaxed));
        let answer = self.until_answered(who, &wanted, &key).await;
        let answered = match answer.status {
            Some(status) if status.is_success() => Answered::Accepted,
            Some(_) => Answered::Refused,
            None => Answered::Unknown,
        };
        let id = wanted.id.or_else(|| answer.text("id").map(str::to_owned));
        let version = answer.body.get("version").and_then(Value::as_u64);
        self.answers.note(&Sent { verb: wanted.verb, id, version, answered });
        answer
    }

    async fn until_answered(&self, who: &Person, wanted: &Wanted, key: &str) -> Answer {
        let (begun, mut pause) = (Instant::now(), PAUSE);
        loop {
            if let Some(answer) = self.ask(who, wanted, key).await {
                return answer;
            }
            if begun.elapsed() > self.patience {
                return Answer { status: None, body: Value::Null };
            }
            self.repeats.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// One request to the next instance; `None`: no answer, or one that asks to come back.
    async fn ask(&self, who: &Person, wanted: &Wanted, key: &str) -> Option<Answer> {
        let (service, method, path) = route(wanted);
        let mut request = self.client.request(method, self.url(service, &path)).bearer_auth(&who.token);
        request = request.header("Idempotency-Key", key);
        if let Some(body) = &wanted.body {
            request = request.json(body);
        }
        let response = request.send().await.ok()?;
        let status = response.status();
        let again = status.is_server_error()
            || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
        // An answer whose body is cut off is none.
        let body = response.json().await.ok()?;
        (!again).then_some(Answer { status: Some(status), body })
    }

    /// How an order stands; `None`: nobody says just now.
    pub(crate) async fn order_status(&self, who: &Person, id: &str) -> Option<String> {
        let url = self.url(Service::Orders, &format!("/orders/{id}"));
        let response = self.client.get(url).bearer_auth(&who.token).send().await.ok()?;
        let body: Value = response.error_for_status().ok()?.json().await.ok()?;
        body.get("status")?.as_str().map(str::to_owned)
    }

    fn url(&self, service: Service, path: &str) -> String {
        let instances = &self.addresses[service as usize];
        let instance = self.next.fetch_add(1, Ordering::Relaxed) % instances.len();
        format!("http://{}{path}", instances[instance])
    }
}

fn route(wanted: &Wanted) -> (Service, Method, String) {
    let id = wanted.id.as_deref().unwrap_or_default();
    match wanted.verb {
        Verb::CreateTicket => (Service::Tickets, Method::POST, "/tickets".to_owned()),
        Verb::EditTicket => (Service::Tickets, Method::PUT, format!("/tickets/{id}")),
        Verb::CreateOrder => (Service::Orders, Method::POST, "/orders".to_owned()),
        Verb::CancelOrder => (Service::Orders, Method::DELETE, format!("/orders/{id}")),
        Verb::CreatePayment => (Service::Payments, Method::POST, "/payments".to_owned()),
    }
}
