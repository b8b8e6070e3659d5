//! What the page asks for while it is open.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::status;
use crate::admin::{View, Views};
use crate::clock;
use crate::flow::{Hit, Search};

/// A longer query is no person's.
const QUERY_BYTES_MAX: usize = 200;

/// Searches at a time: several people may type, and the index has other work.
const SEARCHES_MAX: usize = 4;

/// The search box's other end.
#[derive(Clone)]
pub(crate) struct SearchBox {
    sink: Arc<dyn Search>,
    free: Arc<Semaphore>,
}

impl SearchBox {
    pub(crate) fn over(sink: Arc<dyn Search>) -> Self {
        Self { sink, free: Arc::new(Semaphore::new(SEARCHES_MAX)) }
    }
}

/// Which flow is meant, and which samples the page has not seen.
#[derive(Debug, Deserialize)]
pub(super) struct Seen {
    #[serde(default)]
    flow: String,
    #[serde(default)]
    since: u64,
}

pub(super) async fn status(State(views): State<Views>, Query(asked): Query<Seen>) -> Response {
    let Some(view) = of_flow(&views, &asked.flow) else { return no_flow(&asked.flow) };
    json(StatusCode::OK, &status::status(view, &views, asked.since, clock::now()))
}

/// What is shown of the flow of that name; without a name, of the first.
fn of_flow<'v>(views: &'v Views, name: &str) -> Option<&'v View> {
    views.iter().find(|view| name.is_empty() || view.flow == name)
}

fn no_flow(name: &str) -> Response {
    json(StatusCode::NOT_FOUND, &NotFound { error: &format!("there is no flow {name:?} here") })
}

#[derive(Debug, Deserialize)]
pub(super) struct Searched {
    #[serde(default)]
    flow: String,
    q: String,
}

#[derive(Debug, Serialize)]
struct Found {
    hits: Vec<Hit>,
    took_ms: u64,
}

#[derive(Debug, Serialize)]
struct NotFound<'w> {
    error: &'w str,
}

pub(super) async fn search(State(views): State<Views>, Query(asked): Query<Searched>) -> Response {
    let Searched { flow, q } = asked;
    let Some(view) = of_flow(&views, &flow) else { return no_flow(&flow) };
    let no = |status, error: &str| json(status, &NotFound { error });
    let Some(SearchBox { sink, free }) = &view.search else {
        return no(StatusCode::NOT_FOUND, view.about.search_off.unwrap_or("this flow can't be searched"));
    };
    let query = q.trim();
    if query.is_empty() || query.len() > QUERY_BYTES_MAX {
        return no(StatusCode::BAD_REQUEST, "a search takes from 1 to 200 bytes");
    }
    let Ok(_permit) = free.try_acquire() else {
        return no(StatusCode::SERVICE_UNAVAILABLE, "too many searches at a time");
    };
    let begun_ms = clock::now().uptime_ms;
    match sink.search(query).await {
        Ok(hits) => {
            let took_ms = clock::now().uptime_ms.saturating_sub(begun_ms);
            json(StatusCode::OK, &Found { hits, took_ms })
        }
        Err(why) => no(StatusCode::BAD_GATEWAY, &why),
    }
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_string(body) {
        Ok(text) => (status, [(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
