//! The services over HTTP, as people use them: what is not answered is sent again, with the same idempotency key.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use thalweg::demo::Requests;
use ticketing_audit::{Answered, Sent, Verb};

use super::people::Person;
use super::{SERVICES, Shared};

/// How long one request is waited for: longer than the services take to say that they don't know.
const ANSWER_WITHIN: Duration = Duration::from_secs(12);

/// How long somebody tries, and the pause between two tries.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(300);

/// Which service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    Tickets,
    Orders,
    Payments,
}

/// How a command was answered; without a status, not at all.
pub(super) struct Answer {
    status: Option<StatusCode>,
    body: Value,
}

impl Answer {
    pub(super) fn accepted(&self) -> bool {
        self.status.is_some_and(|status| status.is_success())
    }

    /// What it is about is not known there (yet).
    pub(super) fn is_unknown(&self) -> bool {
        self.status == Some(StatusCode::NOT_FOUND)
    }

    /// The id of what was made.
    pub(super) fn id(&self) -> Option<String> {
        self.body.get("id")?.as_str().map(str::to_owned)
    }
}

/// See the module's text.
pub(super) struct Services {
    client: Client,
    at: [SocketAddr; 3],
    keys: AtomicU64,
    /// Whether all answers are listed for the auditor.
    lists: bool,
    shared: Arc<Shared>,
}

impl Services {
    pub(super) fn at(requests: &Requests, lists: bool, shared: Arc<Shared>) -> Result<Self, String> {
        let client = Client::builder().no_proxy().timeout(ANSWER_WITHIN).build();
        let client = client.map_err(|error| format!("there is no HTTP client: {error}"))?;
        let find = |service: &str| {
            let found = requests.get(&format!("{service}.commands")).copied();
            found.ok_or_else(|| format!("the service {service} takes no requests"))
        };
        let [tickets, orders, payments] = SERVICES.map(find);
        let at = [tickets?, orders?, payments?];
        Ok(Self { client, at, keys: AtomicU64::new(0), lists, shared })
    }

    pub(super) async fn sell(&self, seller: &Person, title: &str, price: u64) -> Answer {
        let body = json!({ "title": title, "price": price });
        self.command(seller, Verb::CreateTicket, "", Some(body)).await
    }

    pub(super) async fn order(&self, buyer: &Person, ticket_id: &str) -> Answer {
        self.command(buyer, Verb::CreateOrder, "", Some(json!({ "ticketId": ticket_id }))).await
    }

    pub(super) async fn cancel(&self, buyer: &Person, order_id: &str) -> Answer {
        self.command(buyer, Verb::CancelOrder, order_id, None).await
    }

    pub(super) async fn pay(&self, buyer: &Person, order_id: &str, token: &str) -> Answer {
        let body = json!({ "orderId": order_id, "token": token });
        self.command(buyer, Verb::CreatePayment, "", Some(body)).await
    }

    /// How an order stands; `None`: nobody says just now.
    pub(super) async fn status(&self, buyer: &Person, order_id: &str) -> Option<String> {
        let url = self.url(Service::Orders, &format!("/orders/{order_id}"));
        let response = self.client.get(url).bearer_auth(buyer.token(Service::Orders)).send().await.ok()?;
        let body: Value = response.error_for_status().ok()?.json().await.ok()?;
        body.get("status")?.as_str().map(str::to_owned)
    }

    async fn command(&self, who: &Person, verb: Verb, about: &str, body: Option<Value>) -> Answer {
        let (key, begun) = (self.keys.fetch_add(1, Ordering::Relaxed).to_string(), Instant::now());
        let answer = loop {
            if let Some(answer) = self.ask(who, verb, about, body.as_ref(), &key).await {
                break answer;
            }
            if begun.elapsed() > PATIENCE {
                break Answer { status: None, body: Value::Null };
            }
            tokio::time::sleep(PAUSE).await;
        };
        self.note(verb, about, &answer);
        answer
    }

    /// One request; `None`: no answer, or one that asks to come back.
    async fn ask(
        &self,
        who: &Person,
        verb: Verb,
        about: &str,
        body: Option<&Value>,
        key: &str,
    ) -> Option<Answer> {
        let (service, method, path) = match verb {
            Verb::CreateTicket => (Service::Tickets, Method::POST, "/tickets".to_owned()),
            Verb::EditTicket => (Service::Tickets, Method::PUT, format!("/tickets/{about}")),
            Verb::CreateOrder => (Service::Orders, Method::POST, "/orders".to_owned()),
            Verb::CancelOrder => (Service::Orders, Method::DELETE, format!("/orders/{about}")),
            Verb::CreatePayment => (Service::Payments, Method::POST, "/payments".to_owned()),
        };
        let request = self.client.request(method, self.url(service, &path));
        let mut request = request.bearer_auth(who.token(service)).header("Idempotency-Key", key);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.ok()?;
        let status = response.status();
        // An answer whose body is cut off is none.
        let body = response.json().await.ok()?;
        let again = status.is_server_error()
            || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
        (!again).then_some(Answer { status: Some(status), body })
    }

    fn note(&self, verb: Verb, about: &str, answer: &Answer) {
        let answered = match answer.status {
            Some(status) if status.is_success() => Answered::Accepted,
            Some(_) => Answered::Refused,
            None => Answered::Unknown,
        };
        // That something is not known yet is no refusal that people would speak of.
        if answered == Answered::Refused && !answer.is_unknown() {
            self.shared.scene.lock().refused();
        }
        if self.lists {
            let id = (!about.is_empty()).then(|| about.to_owned()).or_else(|| answer.id());
            let version = answer.body.get("version").and_then(Value::as_u64);
            self.shared.sent.lock().push(Sent { verb, id, version, answered });
        }
    }

    fn url(&self, service: Service, path: &str) -> String {
        format!("http://{}{path}", self.at[service as usize])
    }
}
