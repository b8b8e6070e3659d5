//! Answers from a view: not before it has been read, and with what was written before the request came.

use std::time::Duration;

use axum::http::header::CACHE_CONTROL;

use super::handling::Refused;
use super::problem::{Answer, Problem};
use super::request::Request;
use super::routes::Tell;
use crate::views::{AnyView, Unready};

/// What the route says of the view; see [`crate::views`] for when it is asked, and how often.
pub(super) async fn show(view: &dyn AnyView, tell: &Tell, request: &Request<'_>) -> Result<Answer, Refused> {
    let progress = view.progress();
    progress.ready().map_err(|why| unready(&why))?;
    // Before the first look: what comes after it is heard of.
    let mut changes = progress.changes();
    let wants_all = wants_all(request);
    if !wants_all {
        let told = tell(request);
        if !is_missing(&told) {
            return Ok(told?);
        }
    }
    let in_time = async {
        let caught_up = progress.caught_up();
        tokio::pin!(caught_up);
        loop {
            tokio::select! {
                () = &mut caught_up => return tell(request),
                changed = changes.changed(), if !wants_all => {
                    let told = tell(request);
                    if changed.is_err() || !is_missing(&told) {
                        return told;
                    }
                }
            }
        }
    };
    let wait_ms = view.settings().wait_ms;
    match tokio::time::timeout(Duration::from_millis(wait_ms), in_time).await {
        Ok(told) => Ok(told?),
        Err(_) => Err(Refused::unavailable(
            "view-behind",
            &format!("what was written before this request could not be read within {wait_ms} ms; try again"),
        )),
    }
}

/// It may be there in a moment.
fn is_missing(told: &Result<Answer, Problem>) -> bool {
    told.as_ref().is_err_and(|problem| problem.status == 404)
}

/// RFC 9111, section 5.2.1.4: what is stored does not count without asking where it comes from.
fn wants_all(request: &Request<'_>) -> bool {
    let mut directives = request.header(CACHE_CONTROL.as_str()).unwrap_or_default().split(',');
    directives.any(|directive| directive.trim().eq_ignore_ascii_case("no-cache"))
}

fn unready(why: &Unready) -> Refused {
    let name = match why {
        Unready::Loading(_) => "view-not-ready",
        Unready::TooLarge(_) => "view-too-large",
        Unready::Failed(_) => "view-failed",
    };
    Refused::unavailable(name, &format!("what this would be answered from can't be shown: {why}"))
}
