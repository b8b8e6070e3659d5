//! Users, and what they do.

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::blocking::Client;
use serde_json::{Value, json};
use thalweg::commands::TokenKey;
use thalweg::kafka::Secret;
use thalweg_testbed::instance::{PATIENCE, until};

use crate::scene::SECRET;

/// Where the services take requests.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    pub(crate) tickets: String,
    pub(crate) orders: String,
    pub(crate) payments: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) repeated: bool,
    pub(crate) body: Value,
}

impl Answer {
    /// The id of what was made.
    pub(crate) fn id(&self) -> String {
        assert_eq!(self.status, 201, "{self:?}");
        self.body["id"].as_str().unwrap().to_owned()
    }

    /// Fails unless the body is a problem of that kind.
    pub(crate) fn assert_problem(&self, status: u16, name: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.body["type"], format!("urn:problem:{name}"), "{self:?}");
    }
}

/// A token that counts for an hour.
pub(crate) fn token(user: &str) -> String {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    TokenKey::new(&Secret::new(SECRET)).unwrap().issue(user, now_ms, 3_600_000).unwrap()
}

/// One user.
pub(crate) struct User {
    client: Client,
    addresses: Addresses,
    token: String,
}

impl User {
    pub(crate) fn new(name: &str, addresses: &Addresses) -> Self {
        let client = Client::builder().timeout(PATIENCE).build().unwrap();
        Self { client, addresses: addresses.clone(), token: token(name) }
    }

    /// A request, perhaps with an idempotency key.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value, key: Option<&str>) -> Answer {
        let address = match path.split(['/', '?']).nth(1) {
            Some("tickets") => &self.addresses.tickets,
            Some("orders") => &self.addresses.orders,
            _ => &self.addresses.payments,
        };
        let request = self.client.request(method.parse().unwrap(), format!("http://{address}{path}"));
        let mut request = request.bearer_auth(&self.token);
        if !body.is_null() {
            request = request.body(body.to_string());
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let response = request.send().unwrap();
        let (status, repeated) =
            (response.status().as_u16(), response.headers().contains_key("idempotency-replayed"));
        let text = response.text().unwrap();
        let body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{status} {text:?}: {error}"));
        Answer { status, repeated, body }
    }

    /// What is shown there.
    pub(crate) fn see(&self, path: &str) -> Answer {
        self.ask("GET", path, &Value::Null, None)
    }

    /// Sells a ticket; its id.
    pub(crate) fn sell(&self, title: &str, price: u64) -> String {
        self.ask("POST", "/tickets", &json!({ "title": title, "price": price }), None).id()
    }

    pub(crate) fn edit(&self, ticket: &str, price: u64) -> Answer {
        self.ask("PUT", &format!("/tickets/{ticket}"), &json!({ "title": "edited", "price": price }), None)
    }

    pub(crate) fn order(&self, ticket: &str, key: Option<&str>) -> Answer {
        self.ask("POST", "/orders", &json!({ "ticketId": ticket }), key)
    }

    /// Orders a ticket that orders may not have heard of yet; the order's id.
    pub(crate) fn order_soon(&self, ticket: &str) -> String {
        let mut answer = self.order(ticket, None);
        until("orders knows the ticket", || {
            if answer.status == 404 {
                answer = self.order(ticket, None);
            }
            answer.status != 404
        });
        answer.id()
    }

    pub(crate) fn cancel(&self, order: &str) -> Answer {
        self.ask("DELETE", &format!("/orders/{order}"), &Value::Null, None)
    }

    pub(crate) fn pay(&self, order: &str, money: &str) -> Answer {
        self.ask("POST", "/payments", &json!({ "orderId": order, "token": money }), None)
    }

    /// Pays for an order that payments may not have heard of yet.
    pub(crate) fn pay_soon(&self, order: &str, money: &str) -> Answer {
        let mut answer = self.pay(order, money);
        until("payments knows the order", || {
            if answer.status == 404 {
                answer = self.pay(order, money);
            }
            answer.status != 404
        });
        answer
    }
}
