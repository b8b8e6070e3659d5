//! The gate before every request: it can be shut, as if the server were down, and lets in so many at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::refusal::Refusal;

/// Requests answered at once; each may hold a body.
const REQUESTS_MAX: usize = 64;

/// See the module's text.
#[derive(Default)]
pub(super) struct Gate {
    pub(super) is_shut: AtomicBool,
    inside: AtomicUsize,
}

/// Counts a request as long as it is being answered, or forgotten.
struct Inside(Arc<Gate>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets a request pass, or answers it here.
pub(super) async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    if gate.is_shut.load(Ordering::Relaxed) {
        // As what stands before a dead node answers; and whoever comes again connects anew.
        let close = [(CONNECTION, HeaderValue::from_static("close"))];
        return (StatusCode::SERVICE_UNAVAILABLE, close, "the embedded index is down\n").into_response();
    }
    let inside = gate.inside.fetch_add(1, Ordering::Relaxed);
    let _inside = Inside(Arc::clone(&gate));
    if inside >= REQUESTS_MAX {
        let reason = format!("{REQUESTS_MAX} requests are being answered, and no more are taken at once");
        return Refusal::new(429, "es_rejected_execution_exception", reason).into_response();
    }
    next.run(request).await
}
