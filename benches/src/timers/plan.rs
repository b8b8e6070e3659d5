//! Which timers there are, and when they are due.

use std::time::Duration;

/// The timers of a run. Those that stay pending have the numbers from 0 on, first those that become due while the flow is
/// down; behind them come those that are cancelled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) pending: u64,
    pub(super) cancelled: u64,
    /// When the flow is stopped, in ms since 1970; nothing is due before.
    pub(super) stop_ms: i64,
    /// When it is started again: half of what is pending has become due by then.
    pub(super) restart_ms: i64,
    /// From when on the other half is due.
    pub(super) steady_ms: i64,
    /// How many of these are due in a second.
    pub(super) rate: u64,
}

impl Plan {
    /// How many become due while the flow is down.
    pub(super) fn overdue(&self) -> u64 {
        self.pending / 2
    }

    /// How many are due one after the other, once the flow has caught up.
    pub(super) fn steady(&self) -> u64 {
        self.pending - self.overdue()
    }

    /// All that are set.
    pub(super) fn all(&self) -> u64 {
        self.pending + self.cancelled
    }

    /// When the last one is due.
    pub(super) fn end_ms(&self) -> i64 {
        self.steady_ms + self.steady_span_ms().cast_signed()
    }

    /// When that one is due; as good as random within its half.
    pub(super) fn deadline_ms(&self, number: u64) -> i64 {
        let drawn = spread(number);
        if number < self.overdue() {
            let down_ms = self.restart_ms.abs_diff(self.stop_ms);
            self.stop_ms + 1 + (drawn % down_ms.saturating_sub(1).max(1)).cast_signed()
        } else {
            self.steady_ms + (drawn % self.steady_span_ms()).cast_signed()
        }
    }

    fn steady_span_ms(&self) -> u64 {
        (self.steady() * 1_000 / self.rate).max(1)
    }
}

/// Mixes a number's bits (splitmix64).
fn spread(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// A time of the system's clock, in ms since 1970.
pub(super) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Sleeps until then.
pub(super) fn sleep_until(time_ms: i64) {
    let left_ms = u64::try_from(time_ms - now_ms()).unwrap_or(0);
    std::thread::sleep(Duration::from_millis(left_ms));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_is_due_while_the_flow_is_down_and_half_at_the_rate() {
        let plan = Plan {
            pending: 100_000,
            cancelled: 10,
            stop_ms: 1_000,
            restart_ms: 3_000,
            steady_ms: 9_000,
            rate: 10_000,
        };
        let mut in_second = [0u64; 6];
        for number in 0..plan.pending {
            let deadline_ms = plan.deadline_ms(number);
            if number < 50_000 {
                assert!(deadline_ms > 1_000 && deadline_ms < 3_000);
            } else {
                in_second[usize::try_from((deadline_ms - 9_000) / 1_000).unwrap()] += 1;
            }
        }
        assert_eq!((plan.end_ms(), in_second[5]), (14_000, 0));
        assert!(in_second[..5].iter().all(|due| (9_500..10_500).contains(due)), "{in_second:?}");
    }
}
