//! The two clocks, read once per turn of a worker.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use thalweg_core::time::Now;

/// What the clocks say. `CLOCK_BOOTTIME` runs on while the machine sleeps, and while the process is stopped.
pub(crate) fn now() -> Now {
    // The wall clock first: what lies between the two readings must not make it seem to be ahead.
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let boot = clock_gettime(ClockId::Boottime);
    // Never negative, and below a billion.
    let nanoseconds = u32::try_from(boot.tv_nsec).unwrap_or_default();
    read(Duration::new(boot.tv_sec.unsigned_abs(), nanoseconds), unix)
}

/// Timers go by the uptime and how far the wall clock is ahead of it. That difference is what is rounded down, not the wall
/// clock: rounding each by itself makes it up to a millisecond too large, and timers that much early.
fn read(uptime: Duration, unix: Duration) -> Now {
    let uptime_ms = u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX);
    let ahead_ns = i128::try_from(unix.as_nanos()).unwrap_or(i128::MAX) - uptime.as_nanos().cast_signed();
    let ahead_ms = i64::try_from(ahead_ns.div_euclid(1_000_000)).unwrap_or(i64::MAX);
    Now { uptime_ms, unix_ms: ahead_ms.saturating_add_unsigned(uptime_ms) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_by_the_uptime_is_never_ahead_of_the_wall_clock() {
        let parts_us = [0, 1, 400, 500, 999];
        for (uptime_us, unix_us, later_us) in
            parts_us.iter().flat_map(|a| parts_us.iter().flat_map(move |b| parts_us.map(|c| (*a, *b, c))))
        {
            let (uptime, unix) =
                (Duration::from_micros(7_000 + uptime_us), Duration::from_micros(9_000 + unix_us));
            let first = read(uptime, unix);
            let later = Duration::from_micros(later_us);
            let then_ms =
                first.unix_ms + (read(uptime + later, unix).uptime_ms - first.uptime_ms).cast_signed();
            let truly_us = (unix + later).as_micros().cast_signed();
            let early_us = i128::from(then_ms) * 1_000 - truly_us;
            assert!((-2_000..=0).contains(&early_us), "{uptime:?} {unix:?} {later:?}: {early_us}");
        }
    }

    #[test]
    fn a_wall_clock_of_before_1970_is_none() {
        assert_eq!(read(Duration::from_secs(5), Duration::ZERO).unix_ms, 0);
    }
}
