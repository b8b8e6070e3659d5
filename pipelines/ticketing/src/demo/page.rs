//! The page: its files as the browser gets them, and what it asks for.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use thalweg::demo::OwnPage;

use super::Shared;

/// The page that shows the scene. It is read under a lock that is held for microseconds.
pub(super) fn of(shared: Arc<Shared>) -> OwnPage {
    let json = move || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_unix_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let over = shared.over.load(Ordering::Acquire);
        // Texts and numbers: always possible.
        serde_json::to_string(&shared.scene.lock().shown(now_unix_ms, over)).unwrap_or_default()
    };
    OwnPage {
        name: "tickets",
        title: "Tickets and orders",
        html: include_str!("page/tickets.html"),
        css: include_str!("page/tickets.css"),
        script: include_str!("page/tickets.js"),
        json: Arc::new(json),
    }
}
