//! When each record is due, in nanoseconds from the start: fixed before the first one is sent.

use std::time::Duration;

/// The pace of a run. Rates are records per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Profile {
    /// The same rate throughout.
    Constant {
        /// More than 0.
        rate: f64,
    },
    /// From one rate to another in a straight line, then on at the last one.
    Ramp {
        /// At the start; may be 0.
        from: f64,
        /// At the end.
        to: f64,
        /// How long it takes.
        over: Duration,
    },
    /// A rate, and a higher one at the end of every period.
    Burst {
        /// Between bursts; may be 0.
        rate: f64,
        /// Within bursts.
        burst_rate: f64,
        /// From the start of one burst to that of the next.
        every: Duration,
        /// How long a burst lasts; at most `every`.
        burst: Duration,
    },
    /// As fast as it goes. Nothing is due at a time of its own, so nothing is late.
    AllOut,
}

const SECOND_NS: f64 = 1e9;

impl Profile {
    /// When the `number`th record (from 0) is due; none: at once.
    #[must_use]
    pub fn due_ns(&self, number: u64) -> Option<u64> {
        // Exact up to 2^53 records and nanoseconds: 104 days.
        let number = number as f64;
        let seconds = match *self {
            Self::Constant { rate } => number / rate,
            Self::Ramp { from, to, over } => ramp_seconds(number, from, to, over.as_secs_f64()),
            Self::Burst { rate, burst_rate, every, burst } => {
                let (every, burst) = (every.as_secs_f64(), burst.as_secs_f64());
                let quiet = rate * (every - burst);
                let period = quiet + burst_rate * burst;
                let (periods, rest) = ((number / period).floor(), number % period);
                let within =
                    if rest < quiet { rest / rate } else { every - burst + (rest - quiet) / burst_rate };
                periods * every + within
            }
            Self::AllOut => return None,
        };
        Some((seconds * SECOND_NS) as u64)
    }
}

/// The time at which the area under the ramp is `number`.
fn ramp_seconds(number: f64, from: f64, to: f64, over: f64) -> f64 {
    let within = (from + to) / 2.0 * over;
    if number >= within {
        return over + (number - within) / to;
    }
    // number = from*t + slope/2*t^2, solved in the form that also holds for slope = 0.
    let slope = (to - from) / over;
    2.0 * number / (from + (from * from + 2.0 * slope * number).max(0.0).sqrt()).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn records_are_due_when_the_profile_says() {
        let constant = Profile::Constant { rate: 4.0 };
        let ramp = Profile::Ramp { from: 0.0, to: 100.0, over: seconds(10) };
        let down = Profile::Ramp { from: 100.0, to: 20.0, over: seconds(10) };
        let burst = Profile::Burst { rate: 10.0, burst_rate: 100.0, every: seconds(5), burst: seconds(1) };
        let silent = Profile::Burst { rate: 0.0, burst_rate: 100.0, every: seconds(5), burst: seconds(1) };
        for (profile, number, expected_ms) in [
            (constant, 0, 0),
            (constant, 3, 750),
            (ramp, 0, 0),
            (ramp, 125, 5000),
            (ramp, 500, 10_000),
            (ramp, 600, 11_000),
            (down, 600, 10_000),
            (down, 620, 11_000),
            (burst, 20, 2000),
            (burst, 40, 4000),
            (burst, 90, 4500),
            (burst, 140, 5000),
            (burst, 160, 7000),
            (silent, 0, 4000),
            (silent, 50, 4500),
            (silent, 100, 9000),
        ] {
            let due_ms = profile.due_ns(number).unwrap() as f64 / 1e6;
            assert!((due_ms - f64::from(expected_ms)).abs() < 0.01, "{profile:?} {number}: {due_ms}");
        }
        assert_eq!(Profile::AllOut.due_ns(5), None);
    }

    proptest! {
        #[test]
        fn time_never_runs_backwards(
            from in 0.0..1e6, to in 1.0..1e6, over in 1_u64..1000, start in 0_u64..1_000_000, burst in 1_u64..1000
        ) {
            let (every, burst) = (seconds(over.max(burst)), seconds(over.min(burst)));
            for profile in [
                Profile::Constant { rate: to },
                Profile::Ramp { from, to, over: seconds(over) },
                Profile::Burst { rate: from, burst_rate: to, every, burst },
            ] {
                let dues: Vec<_> = (start..start + 100).map(|n| profile.due_ns(n)).collect();
                prop_assert!(dues.is_sorted(), "{:?} {:?}", profile, dues);
            }
        }
    }
}
