//! Sleeping until the client says that something is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;
use std::time::Duration;

/// Sleeps are cut to this, in case a wake-up is lost: the run would show it as time, not as CPU.
const TICK: Duration = Duration::from_millis(100);

/// Wakes the thread that made it. Calls while it is awake cost one atomic write.
#[derive(Debug, Clone)]
pub(crate) struct Waker {
    thread: Thread,
    called: Arc<AtomicBool>,
}

impl Waker {
    /// For this thread.
    pub(crate) fn of_this_thread() -> Self {
        Self { thread: std::thread::current(), called: Arc::default() }
    }

    /// From any thread.
    pub(crate) fn wake(&self) {
        if !self.called.swap(true, Ordering::AcqRel) {
            self.thread.unpark();
        }
    }

    /// Returns at once if [`Waker::wake`] was called since the last time.
    pub(crate) fn sleep(&self) {
        if !self.called.swap(false, Ordering::AcqRel) {
            std::thread::park_timeout(TICK);
            self.called.store(false, Ordering::Release);
        }
    }
}
