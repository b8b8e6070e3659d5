//! The provider over HTTP.
//!
//! | request | answers |
//! |---|---|
//! | `POST /charges` {orderId, amount, token} | 201 charged; 402 declined |
//! | `POST /refunds` {orderId, amount} | 201 refunded; 404 nothing to give back |
//! | `GET /charges/{key}` | 200 what was entered with that idempotency key; 404 nothing |
//! | `GET /ledger` | all entries, one a line |
//!
//! A `POST` may have an `Idempotency-Key`. All: 400 and 422 for requests that make no sense, 503 on a bad day.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use parking_lot::Mutex;
use serde_json::json;
use tokio::net::TcpListener;

use crate::conduct::{Conduct, Fate};
use crate::ledger::{Asked, Done, Entry, Kind, Ledger, LedgerError};

struct Provider {
    conduct: Conduct,
    ledger: Mutex<Ledger>,
    rng: Mutex<fastrand::Rng>,
}

/// Takes requests, until dropped.
///
/// # Errors
/// When it can't listen any more.
pub async fn serve(
    listener: TcpListener,
    ledger: Ledger,
    conduct: Conduct,
    seed: u64,
) -> Result<(), std::io::Error> {
    let rng = Mutex::new(fastrand::Rng::with_seed(seed));
    let provider = Arc::new(Provider { conduct, ledger: Mutex::new(ledger), rng });
    let routes = Router::new()
        .route("/charges", post(charge))
        .route("/refunds", post(refund))
        .route("/charges/{key}", get(look))
        .route("/ledger", get(entries))
        .with_state(provider);
    axum::serve(listener, routes).await
}

async fn charge(State(provider): State<Arc<Provider>>, headers: HeaderMap, body: Bytes) -> Response {
    go_through_with(provider, headers, body, Ledger::charge).await
}

async fn refund(State(provider): State<Arc<Provider>>, headers: HeaderMap, body: Bytes) -> Response {
    go_through_with(provider, headers, body, Ledger::refund).await
}

/// A request is taken to its end, also when who asked has hung up: what was asked for may be done long after.
async fn go_through_with(provider: Arc<Provider>, headers: HeaderMap, body: Bytes, act: Act) -> Response {
    let taken = tokio::spawn(async move { provider.take(&headers, &body, act).await });
    taken.await.unwrap_or_else(|_| problem(StatusCode::INTERNAL_SERVER_ERROR, "the provider has failed"))
}

async fn look(State(provider): State<Arc<Provider>>, Path(key): Path<String>) -> Response {
    let found = provider.ledger.lock().of_key(Some(&key)).cloned();
    match found {
        Some(entry) => json_answer(StatusCode::OK, &json!(entry)),
        None => problem(StatusCode::NOT_FOUND, "nothing was entered with that key"),
    }
}

async fn entries(State(provider): State<Arc<Provider>>) -> Response {
    let lines: String =
        provider.ledger.lock().entries().iter().map(|entry| format!("{}\n", json!(entry))).collect();
    ([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response()
}

type Act = fn(&mut Ledger, Option<&str>, &Asked, bool) -> Result<Done, LedgerError>;

impl Provider {
    /// Takes a request on its way, be it good or bad.
    async fn take(&self, headers: &HeaderMap, body: &[u8], act: Act) -> Response {
        let asked: Asked = match serde_json::from_slice(body) {
            Ok(asked) => asked,
            Err(error) => return problem(StatusCode::BAD_REQUEST, &format!("the body: {error}")),
        };
        let key = headers.get("idempotency-key").map(|key| key.to_str());
        let Ok(key) = key.transpose() else {
            return problem(StatusCode::BAD_REQUEST, "the header Idempotency-Key must be visible ASCII");
        };
        let fate = self.conduct.draw(&mut self.rng.lock());
        match fate {
            Fate::Failing => return problem(StatusCode::SERVICE_UNAVAILABLE, "a bad day; nothing was done"),
            Fate::Slow => tokio::time::sleep(self.conduct.slow).await,
            Fate::Good | Fate::Losing => {}
        }
        let done = act(&mut self.ledger.lock(), key, &asked, self.conduct.deduplicates);
        if fate == Fate::Losing {
            // Who asks has given up by then; if not, it gets what says nothing.
            tokio::time::sleep(self.conduct.silence).await;
            return problem(StatusCode::GATEWAY_TIMEOUT, "the answer was lost");
        }
        answer(done)
    }
}

fn answer(done: Result<Done, LedgerError>) -> Response {
    match done {
        Ok(Done::Entered(entry @ Entry { kind: Kind::Charge | Kind::Refund, .. })) => {
            json_answer(StatusCode::CREATED, &json!(entry))
        }
        Ok(Done::Entered(_)) => problem(StatusCode::PAYMENT_REQUIRED, "declined: no money"),
        Ok(Done::NothingToRefund) => problem(StatusCode::NOT_FOUND, "so much was not charged for that order"),
        Ok(Done::OtherRequest) => {
            problem(StatusCode::UNPROCESSABLE_ENTITY, "the idempotency key was used for another request")
        }
        Err(error) => problem(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("problem");
    let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

fn json_answer(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
