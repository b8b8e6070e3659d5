//! Faults: which requests and items the twin refuses, as the caller decides.

use thalweg_connectors::elasticsearch::Operation;

use super::answers;

/// Decides, request by request and item by item, what fails.
pub trait Faults {
    /// The status to refuse this whole request with: 400, 401, 403, 404, 413, 429, 5xx.
    fn request(&mut self, _operation: Operation) -> Option<u16> {
        None
    }

    /// The status to refuse this item with, inside a 200: 403, 404, 429, 503. Nothing happens to its document.
    fn item(&mut self, _operation: Operation, _id: &str) -> Option<u16> {
        None
    }
}

/// Nothing fails.
#[derive(Debug, Clone, Copy)]
pub struct NoFaults;

impl Faults for NoFaults {}

/// How Elasticsearch words a refusal with that status.
pub(super) fn cause(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => ("security_exception", "missing authentication credentials for REST request"),
        403 => ("cluster_block_exception", "index [index] blocked by: [FORBIDDEN/8/index write (api)];"),
        404 => ("index_not_found_exception", "no such index [index]"),
        429 => ("es_rejected_execution_exception", "rejected execution of primary operation"),
        503 => ("unavailable_shards_exception", "[index][0] primary shard is not active Timeout: [1m]"),
        500..=599 => ("exception", "internal error"),
        _ => ("illegal_argument_exception", "refused"),
    }
}

/// The answer to a request that is refused as a whole.
pub(super) fn request_answer(status: u16) -> (u16, Vec<u8>) {
    if status == 413 {
        // Refused by the HTTP layer, which has no words.
        return (413, Vec::new());
    }
    let (kind, reason) = cause(status);
    answers::refused(status, kind, reason)
}
