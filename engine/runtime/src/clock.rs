//! The two clocks, read once per turn of a worker.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use thalweg_core::time::Now;

/// What the clocks say. `CLOCK_BOOTTIME` runs on while the machine sleeps, and while the process is stopped.
pub(crate) fn now() -> Now {
    let boot = clock_gettime(ClockId::Boottime);
    let uptime_ms = boot.tv_sec.unsigned_abs() * 1_000 + boot.tv_nsec.unsigned_abs() / 1_000_000;
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { uptime_ms, unix_ms: i64::try_from(unix.as_millis()).unwrap_or(i64::MAX) }
}
