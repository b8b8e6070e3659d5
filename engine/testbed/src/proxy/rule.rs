//! What an [`HttpProxy`](super::HttpProxy) does to requests, beside forwarding them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Picks documents by their `_id`.
pub(super) type Picks = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// What a rule does.
#[derive(Clone)]
pub(super) enum Fault {
    /// Answers the request with this status; the server never sees it.
    Answer(u16),
    /// Answers a bulk request that holds such a document with this status; the server never sees it.
    AnswerTo(u16, Picks),
    /// Answers these items of a bulk request with this status; the server sees the others.
    Items(u16, Picks),
    /// Forwards the request and hangs up instead of answering.
    DropAnswer,
    /// Hangs up without forwarding the request.
    DropRequest,
    /// Waits before it forwards the request.
    DelayMs(u64),
}

/// A fault, the requests it concerns, and for how long. It concerns `_bulk` requests until [`on`](Self::on) says
/// otherwise, and stays on until [`times`](Self::times) or [`RuleHandle::off`] end it.
#[derive(Clone)]
pub struct Rule {
    pub(super) fault: Fault,
    path_end: String,
    times: u64,
}

impl Rule {
    /// Refuses whole requests with `status` (400, 401, 403, 413, 429, 5xx, …) and the body that Elasticsearch has for it.
    #[must_use]
    pub fn answer(status: u16) -> Self {
        Self::new(Fault::Answer(status))
    }

    /// Refuses whole bulk requests in which there is a document whose `_id` is picked, with `status` (400, 413), as a
    /// server does that can't read one of them.
    #[must_use]
    pub fn answer_to(status: u16, picks: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self::new(Fault::AnswerTo(status, Arc::new(picks)))
    }

    /// Refuses the items of a bulk request whose `_id` is picked with `status` (403, 404, 429, 503, …), inside a 200;
    /// forwards the others and puts all item answers in the request's order.
    #[must_use]
    pub fn items(status: u16, picks: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self::new(Fault::Items(status, Arc::new(picks)))
    }

    /// Lets the server do what the request asks, and hangs up instead of answering.
    #[must_use]
    pub fn drop_answer() -> Self {
        Self::new(Fault::DropAnswer)
    }

    /// Hangs up as soon as it has read the request; the server never sees it.
    #[must_use]
    pub fn drop_request() -> Self {
        Self::new(Fault::DropRequest)
    }

    /// Holds requests for `delay_ms` before it forwards them.
    #[must_use]
    pub fn delay(delay_ms: u64) -> Self {
        Self::new(Fault::DelayMs(delay_ms))
    }

    /// Concerns requests whose path (without query) ends so; an empty text means all.
    #[must_use]
    pub fn on(mut self, path_end: &str) -> Self {
        path_end.clone_into(&mut self.path_end);
        self
    }

    /// Acts `times` times (requests, or for [`items`](Self::items) items), then no more.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    fn new(fault: Fault) -> Self {
        Self { fault, path_end: "_bulk".to_owned(), times: u64::MAX }
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = match &self.fault {
            Fault::Answer(status) => format!("answer {status}"),
            Fault::AnswerTo(status, _) => format!("answer {status} to some"),
            Fault::Items(status, _) => format!("items {status}"),
            Fault::DropAnswer => "drop answer".to_owned(),
            Fault::DropRequest => "drop request".to_owned(),
            Fault::DelayMs(ms) => format!("delay {ms} ms"),
        };
        write!(out, "{fault} on *{}, {} times", self.path_end, self.times)
    }
}

/// A rule at work: how often it acted, and its off switch. Dropping it changes nothing.
#[derive(Debug, Clone)]
pub struct RuleHandle(pub(super) Arc<ActiveRule>);

#[derive(Debug)]
pub(super) struct ActiveRule {
    pub(super) rule: Rule,
    hits: AtomicU64,
    off: AtomicBool,
}

impl RuleHandle {
    /// Ends the rule.
    pub fn off(&self) {
        self.0.off.store(true, Ordering::Relaxed);
    }

    /// How often it acted.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.0.hits.load(Ordering::Relaxed)
    }
}

impl ActiveRule {
    pub(super) fn new(rule: Rule) -> Self {
        Self { rule, hits: AtomicU64::new(0), off: AtomicBool::new(false) }
    }

    pub(super) fn concerns(&self, path: &str) -> bool {
        path.ends_with(&self.rule.path_end)
    }

    /// Counts one action; false when the rule is off or used up.
    pub(super) fn act(&self) -> bool {
        !self.off.load(Ordering::Relaxed)
            && self
                .hits
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |hits| {
                    (hits < self.rule.times).then_some(hits + 1)
                })
                .is_ok()
    }
}
