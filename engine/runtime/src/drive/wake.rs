//! How others get a sleeping worker's attention.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Shared with the source's threads, the worker's own flights, and whoever stops the worker.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    something: Notify,
    source: AtomicBool,
    stop: AtomicBool,
}

impl Wake {
    /// The source may have something to poll or read.
    pub(crate) fn source(&self) {
        self.source.store(true, Ordering::Release);
        self.something.notify_one();
    }

    /// A flight has its reply.
    pub(crate) fn reply(&self) {
        self.something.notify_one();
    }

    /// The worker is to stop.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.something.notify_one();
    }

    pub(super) fn take_source(&self) -> bool {
        self.source.swap(false, Ordering::AcqRel)
    }

    pub(super) fn must_stop(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub(super) async fn wait(&self) {
        self.something.notified().await;
    }
}
