//! When a worker's loop does what nothing has asked for: polls the source, and shows what was done.

use std::time::Duration;

use thalweg_core::time::Now;

use super::wake::Wake;

/// Time between two polls of the source that nothing has asked for, and between two snapshots of an idle worker.
const TICK_MS: u64 = 1_000;

/// Time between two snapshots of a worker that does something: recent enough to tell what is in flight.
const SNAPSHOT_MS: u64 = 100;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Pace {
    next_tick_ms: u64,
    next_snapshot_ms: u64,
    /// Something was done that no snapshot shows.
    unseen: bool,
}

impl Pace {
    pub(super) fn new(now: Now) -> Self {
        Self { next_tick_ms: now.uptime_ms, next_snapshot_ms: 0, unseen: true }
    }

    /// Whether the time has come for what is done every second.
    pub(super) fn ticks(&mut self, now: Now) -> bool {
        let ticks = now.uptime_ms >= self.next_tick_ms;
        if ticks {
            self.next_tick_ms = now.plus_ms(TICK_MS);
        }
        ticks
    }

    /// Something may have been done that no snapshot shows yet.
    pub(super) fn did(&mut self, something: bool) {
        self.unseen |= something;
    }

    /// Whether a snapshot is to be taken now.
    pub(super) fn shows(&mut self, tick: bool, now: Now) -> bool {
        let due = tick || (self.unseen && now.uptime_ms >= self.next_snapshot_ms);
        if due {
            self.unseen = false;
            self.next_snapshot_ms = now.plus_ms(SNAPSHOT_MS);
        }
        due
    }

    /// Waits for something to happen, or for the time when something is due, at `wake_at_ms` at the latest.
    pub(super) async fn rest(&self, wake: &Wake, wake_at_ms: Option<u64>, now: Now) {
        let snapshot_ms = self.unseen.then_some(self.next_snapshot_ms);
        let due_ms = [wake_at_ms, snapshot_ms].into_iter().flatten().fold(self.next_tick_ms, u64::min);
        let pause = Duration::from_millis(due_ms.saturating_sub(now.uptime_ms));
        tokio::select! {
            () = wake.wait() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}
