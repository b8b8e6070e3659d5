//! Waits until each record is due and says how late it came.

use super::schedule::Profile;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a wish to stop may go unnoticed.
const STOP_CHECK_NS: u64 = 50_000_000;

/// Time since the start of a run.
pub trait Clock {
    /// Nanoseconds since the start.
    fn now_ns(&self) -> u64;
    /// Lets time pass; may return later than asked.
    fn sleep_ns(&self, ns: u64);
}

/// The computer's clock.
#[derive(Clone, Copy, Debug)]
pub struct RealClock {
    /// The start.
    pub started: Instant,
}

impl Clock for RealClock {
    fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn sleep_ns(&self, ns: u64) {
        std::thread::sleep(Duration::from_nanos(ns));
    }
}

/// A record's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// When it was due: what its latency counts from.
    pub due_ns: u64,
    /// How much later than that the generator came to it.
    pub late_ns: u64,
}

/// Gives one turn after the other until the run is over.
#[derive(Debug)]
pub struct Pacer<C> {
    clock: C,
    profile: Profile,
    records_max: u64,
    end_ns: u64,
    number: u64,
}

impl<C: Clock> Pacer<C> {
    /// A run of at most so many records, none of them due at `end_ns` or later.
    pub fn new(clock: C, profile: Profile, records_max: u64, end_ns: u64) -> Self {
        Self { clock, profile, records_max, end_ns, number: 0 }
    }

    /// Waits for the next record's turn; none when the run is over or `stop` is set.
    pub fn next(&mut self, stop: &AtomicBool) -> Option<Turn> {
        if self.number == self.records_max || stop.load(Ordering::Relaxed) {
            return None;
        }
        let due_ns = self.profile.due_ns(self.number);
        if due_ns.unwrap_or_else(|| self.clock.now_ns()) >= self.end_ns {
            return None;
        }
        self.number += 1;
        let mut now_ns = self.clock.now_ns();
        let due_ns = due_ns.unwrap_or(now_ns);
        while now_ns < due_ns {
            self.clock.sleep_ns((due_ns - now_ns).min(STOP_CHECK_NS));
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            now_ns = self.clock.now_ns();
        }
        Some(Turn { due_ns, late_ns: now_ns - due_ns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Sleeps exactly as long as asked; stalls once, when it has been looked at often enough.
    #[derive(Default)]
    struct FakeClock {
        now_ns: Cell<u64>,
        sleeps: Cell<u32>,
    }

    impl Clock for &FakeClock {
        fn now_ns(&self) -> u64 {
            self.now_ns.get()
        }

        fn sleep_ns(&self, ns: u64) {
            self.sleeps.set(self.sleeps.get() + 1);
            self.now_ns.set(self.now_ns.get() + ns);
        }
    }

    const MS: u64 = 1_000_000;

    #[test]
    fn latency_counts_from_due_also_after_a_stall() {
        let clock = FakeClock::default();
        let go_on = AtomicBool::new(false);
        let mut pacer = Pacer::new(&clock, Profile::Constant { rate: 100.0 }, 8, u64::MAX);
        let mut turn = || pacer.next(&go_on).map(|turn| (turn.due_ns / MS, turn.late_ns / MS));
        assert_eq!(turn(), Some((0, 0)));
        assert_eq!(turn(), Some((10, 0)));
        // The broker (or this machine) stands still for 35 ms: the schedule doesn't.
        clock.now_ns.set(45 * MS);
        assert_eq!(turn(), Some((20, 25)));
        assert_eq!(turn(), Some((30, 15)));
        assert_eq!(turn(), Some((40, 5)));
        assert_eq!(clock.now_ns.get(), 45 * MS);
        assert_eq!(turn(), Some((50, 0)));
        assert_eq!(turn(), Some((60, 0)));
        assert_eq!(turn(), Some((70, 0)));
        assert_eq!(turn(), None);
    }

    #[test]
    fn a_run_ends_in_time_and_all_out_never_waits() {
        let clock = FakeClock::default();
        let go_on = AtomicBool::new(false);
        let mut pacer = Pacer::new(&clock, Profile::Constant { rate: 100.0 }, u64::MAX, 1000 * MS);
        assert_eq!(std::iter::from_fn(|| pacer.next(&go_on)).count(), 100);

        let clock = FakeClock::default();
        let mut pacer = Pacer::new(&clock, Profile::AllOut, u64::MAX, 5 * MS);
        assert_eq!(pacer.next(&go_on), Some(Turn { due_ns: 0, late_ns: 0 }));
        clock.now_ns.set(4 * MS);
        assert_eq!(pacer.next(&go_on), Some(Turn { due_ns: 4 * MS, late_ns: 0 }));
        assert_eq!(clock.sleeps.get(), 0);
        clock.now_ns.set(5 * MS);
        assert_eq!(pacer.next(&go_on), None);
    }

    #[test]
    fn a_wish_to_stop_is_heard_within_a_long_wait() {
        struct Stopping<'a>(&'a AtomicBool, Cell<u64>);
        impl Clock for Stopping<'_> {
            fn now_ns(&self) -> u64 {
                self.1.get()
            }
            fn sleep_ns(&self, ns: u64) {
                self.1.set(self.1.get() + ns);
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let stop = AtomicBool::new(false);
        let clock = Stopping(&stop, Cell::new(0));
        let mut pacer = Pacer::new(clock, Profile::Constant { rate: 0.001 }, 8, u64::MAX);
        assert!(pacer.next(&stop).is_some());
        assert_eq!(pacer.next(&stop), None);
        assert!(pacer.clock.now_ns() <= STOP_CHECK_NS);
    }
}
