//! What the metrics say of commands.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many classes of statuses there are: 1xx to 5xx.
pub(crate) const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counts from the start of the process.
#[derive(Debug, Default)]
pub(crate) struct CommandCounts {
    requests: AtomicU64,
    answers: [AtomicU64; CLASSES.len()],
    timeouts: AtomicU64,
    hang_ups: AtomicU64,
    waiting: AtomicU64,
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) requests: u64,
    /// By [`CLASSES`].
    pub(crate) answers: [u64; CLASSES.len()],
    pub(crate) timeouts: u64,
    pub(crate) hang_ups: u64,
    pub(crate) waiting: u64,
}

impl CommandCounts {
    pub(crate) fn now(&self) -> Counted {
        Counted {
            requests: self.requests.load(Relaxed),
            answers: self.answers.each_ref().map(|count| count.load(Relaxed)),
            timeouts: self.timeouts.load(Relaxed),
            hang_ups: self.hang_ups.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
        }
    }

    pub(super) fn timed_out(&self) {
        self.timeouts.fetch_add(1, Relaxed);
    }

    /// Begins to count a request, which ends answered or given up.
    pub(super) fn request(self: &Arc<Self>) -> InProgress {
        self.requests.fetch_add(1, Relaxed);
        InProgress { counts: Arc::clone(self), answered: false }
    }

    /// A command waits, until what this returns is dropped; `None`: `max` wait already.
    pub(super) fn begin_wait(self: &Arc<Self>, max: u32) -> Option<Waits> {
        let one_more = |waiting| (waiting < u64::from(max)).then_some(waiting + 1);
        self.waiting.fetch_update(Relaxed, Relaxed, one_more).ok().map(|_| Waits(Arc::clone(self)))
    }
}

/// A request that has no answer yet; dropped without one, its client has hung up.
#[derive(Debug)]
pub(super) struct InProgress {
    counts: Arc<CommandCounts>,
    answered: bool,
}

impl InProgress {
    pub(super) fn answered(mut self, status: u16) {
        self.answered = true;
        if let Some(count) = self.counts.answers.get(usize::from(status / 100).wrapping_sub(1)) {
            count.fetch_add(1, Relaxed);
        }
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        if !self.answered {
            self.counts.hang_ups.fetch_add(1, Relaxed);
        }
    }
}

/// A command that waits.
#[derive(Debug)]
pub(super) struct Waits(Arc<CommandCounts>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_ends_answered_or_given_up() {
        let counts = Arc::new(CommandCounts::default());
        for status in [200, 201, 404, 504] {
            counts.request().answered(status);
        }
        drop(counts.request());
        let open = counts.request();
        let Counted { requests, answers, hang_ups, .. } = counts.now();
        assert_eq!((requests, answers, hang_ups), (6, [0, 2, 0, 1, 1], 1));
        open.answered(200);
    }

    #[test]
    fn only_so_many_wait() {
        let counts = Arc::new(CommandCounts::default());
        let waits: Vec<_> = (0..3).map(|_| counts.begin_wait(3)).collect();
        assert!(waits.iter().all(Option::is_some) && counts.begin_wait(3).is_none());
        drop(waits);
        assert_eq!(counts.now().waiting, 0);
        assert!(counts.begin_wait(3).is_some());
    }
}
