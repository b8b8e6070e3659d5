//! The live page: what the flows of a process are doing right now, for a browser. GET only, text only, nothing from elsewhere.

mod api;
pub(crate) mod history;
mod host;
pub(crate) mod latest_letters;
mod own;
mod situation;
pub(crate) mod status;

use std::net::SocketAddr;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, get};

use crate::admin::Views;
use crate::drive::Plan;
use crate::exit::ExitError;
pub(crate) use api::SearchBox;
pub use own::OwnPage;

/// What every answer says to the browser: run nothing and load nothing that does not come from here, and show this in
/// no other page.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// The search box of the first sink that can be searched; or why there is none.
///
/// Whoever reaches the page reads what is found. On this machine that is who could ask the sink itself; from further
/// away only if the settings say that records may be shown.
pub(crate) fn search_of(plan: &Plan) -> Result<(Option<SearchBox>, Option<&'static str>), ExitError> {
    let beyond = plan.engine.admin_address().is_some_and(|address| !address.ip().is_loopback());
    for (_, sink) in &plan.flow.sinks.plans {
        let Some(search) = sink.search()? else { continue };
        if beyond && !plan.engine.show_payloads {
            let off =
                "searching is off, as this page listens beyond its machine: engine.show_payloads allows it";
            return Ok((None, Some(off)));
        }
        return Ok((Some(SearchBox::over(search)), None));
    }
    Ok((None, Some("no sink of this flow can be searched")))
}

fn file(kind: &'static str, text: &'static str) -> MethodRouter<Views> {
    get(move || async move { ([(header::CONTENT_TYPE, kind)], text) })
}

/// The page and what it asks for, as served at `listens`, and beside it the pipeline's own.
pub(crate) fn router(listens: SocketAddr, own: Option<OwnPage>) -> Router<Views> {
    Router::new()
        .route("/", file(HTML, include_str!("index.html")))
        .route("/page.css", file(CSS, include_str!("page.css")))
        .route("/page.js", file(SCRIPT, include_str!("page.js")))
        .route("/asking.js", file(SCRIPT, include_str!("asking.js")))
        .route("/chart.js", file(SCRIPT, include_str!("chart.js")))
        .route("/words.js", file(SCRIPT, include_str!("words.js")))
        .route("/search.js", file(SCRIPT, include_str!("search.js")))
        .route("/theme.js", file(SCRIPT, include_str!("theme.js")))
        .route("/icon.svg", file(SVG, include_str!("icon.svg")))
        .route("/api/status", get(api::status))
        .route("/api/search", get(api::search))
        .merge(own::router(own))
        .layer(from_fn_with_state(listens, host::guard))
        .layer(from_fn(with_headers))
}

async fn with_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
