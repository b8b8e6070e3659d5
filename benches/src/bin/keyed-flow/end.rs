//! How an arm ends: once it has seen all records it stops itself, as a user would stop it.

use std::sync::OnceLock;

use rustix::process::{Signal, getpid, kill_process};
use thalweg_benches::tally::Tally;

static FINISHED: OnceLock<String> = OnceLock::new();

/// Keeps the report, and asks the flow to stop.
pub(crate) fn with(tally: &Tally) {
    let Some(line) = tally.finish().and_then(|finished| serde_json::to_string(&finished).ok()) else {
        return;
    };
    if FINISHED.set(line).is_ok() {
        // To ourselves: it can't fail.
        let _ = kill_process(getpid(), Signal::TERM);
    }
}

/// The report, as a line of JSON; `None` when not all records were seen.
pub(crate) fn finished() -> Option<&'static str> {
    FINISHED.get().map(String::as_str)
}
