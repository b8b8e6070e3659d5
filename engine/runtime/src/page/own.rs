//! A page of a pipeline's own, beside the live page, which links to it.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use serde::Serialize;

use super::{CSS, HTML, SCRIPT, file};
use crate::admin::Views;

/// A page of a pipeline's own, at `/NAME` of the live page's address and under its rules: GET only, and nothing from
/// elsewhere. It may use `page.css`, `asking.js`, `theme.js`, `words.js` and `icon.svg`, which are the live page's. Whoever
/// reaches the address sees it: no secrets.
#[derive(Clone)]
pub struct OwnPage {
    /// Where it is: its style sheet is `NAME.css`, its script `NAME.js`.
    pub name: &'static str,
    /// What the link to it says.
    pub title: &'static str,
    /// The page.
    pub html: &'static str,
    /// Its style sheet.
    pub css: &'static str,
    /// Its script, a module.
    pub script: &'static str,
    /// What the script gets from `api/NAME`: a JSON text. Runs on the thread that serves all pages: it must not wait for
    /// anything.
    pub json: Arc<dyn Fn() -> String + Send + Sync>,
}

impl fmt::Debug for OwnPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnPage").field(&self.name).finish()
    }
}

/// Where a page is, for the links to it.
#[derive(Serialize)]
struct Link {
    name: &'static str,
    title: &'static str,
}

/// The page, if there is one, and the list of links.
pub(super) fn router(page: Option<OwnPage>) -> Router<Views> {
    let links: Vec<_> = page.iter().map(|page| Link { name: page.name, title: page.title }).collect();
    let links = serde_json::to_string(&links).unwrap_or_default();
    let json = |text: String| ([(header::CONTENT_TYPE, "application/json")], text);
    let router = Router::new().route("/api/pages", get(move || async move { json(links.clone()) }));
    let Some(OwnPage { name, html, css, script, json: tell, .. }) = page else { return router };
    router
        .route(&format!("/{name}"), file(HTML, html))
        .route(&format!("/{name}.css"), file(CSS, css))
        .route(&format!("/{name}.js"), file(SCRIPT, script))
        .route(&format!("/api/{name}"), get(move || async move { json(tell()) }))
}
