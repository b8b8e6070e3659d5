//! The retry schedule: exponential with full jitter.
//!
//! Full jitter (a uniform draw between zero and the exponential bound) spreads the retries of many keys best; see
//! M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015. A floor keeps one unlucky key from
//! spinning.

/// How long a parked key waits, by how often its head has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetrySchedule {
    /// Bound of the first wait.
    pub first_ms: u64,
    /// Bound that later waits grow to.
    pub max_ms: u64,
}

impl Default for RetrySchedule {
    /// 100 ms is a few round trips: a shard that moves is back. 10 s bounds how stale a key gets after an outage.
    fn default() -> Self {
        Self { first_ms: 100, max_ms: 10_000 }
    }
}

impl RetrySchedule {
    /// The wait after the `failures`-th failure in a row, counted from 1.
    #[must_use]
    pub fn wait_ms(&self, failures: u32, rng: &mut fastrand::Rng) -> u64 {
        let doublings = failures.saturating_sub(1).min(32);
        let bound = self.first_ms.saturating_mul(1 << doublings).clamp(1, self.max_ms.max(1));
        let floor = bound / 8;
        rng.u64(floor..=bound).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_bound_and_never_pass_it() {
        let schedule = RetrySchedule { first_ms: 100, max_ms: 1_000 };
        let mut rng = fastrand::Rng::with_seed(7);
        for (failures, bound) in [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1_000), (u32::MAX, 1_000)] {
            for _ in 0..200 {
                let wait = schedule.wait_ms(failures, &mut rng);
                assert!((bound / 8..=bound).contains(&wait), "{failures} failures waited {wait} ms");
            }
        }
    }

    #[test]
    fn a_schedule_of_zeros_still_waits() {
        let mut rng = fastrand::Rng::with_seed(7);
        assert_eq!(RetrySchedule { first_ms: 0, max_ms: 0 }.wait_ms(3, &mut rng), 1);
    }
}
