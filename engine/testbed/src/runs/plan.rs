//! What happens to the instances, and when: decided by the seed before the run.

use std::time::Duration;

use fastrand::Rng;

/// One thing that happens to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    /// `kill -9`; started again after this time.
    Kill {
        /// Away for.
        down: Duration,
    },
    /// SIGSTOP, for longer than the group waits for a silent member; then SIGCONT.
    Suspend {
        /// Suspended for.
        pause: Duration,
    },
    /// SIGTERM: it drains and leaves the group; started again after this time.
    Leave {
        /// Away for.
        away: Duration,
    },
}

/// How many of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// `kill -9`.
    pub(crate) kills: usize,
    /// SIGSTOP.
    pub(crate) suspensions: usize,
    /// SIGTERM.
    pub(crate) leaves: usize,
}

/// When something happens, counted from the first record, and what.
pub(crate) type Planned = (Duration, Blow);

/// Spreads the blows at random over `window` (begin, length), in the order of time. `session` is how long the group waits
/// for a silent member.
pub(crate) fn plan(
    counts: Counts,
    window: (Duration, Duration),
    session: Duration,
    rng: &mut Rng,
) -> Vec<Planned> {
    let ms = |rng: &mut Rng, range: std::ops::Range<u64>| Duration::from_millis(rng.u64(range));
    // The larger the window, the longer somebody may be away.
    let away_max_ms = u64::try_from(window.1.as_millis() / 15).unwrap_or(u64::MAX).clamp(2_000, 45_000);
    let mut blows = Vec::with_capacity(counts.kills + counts.suspensions + counts.leaves);
    blows.extend((0..counts.kills).map(|_| Blow::Kill { down: ms(rng, 50..3_000) }));
    blows.extend((0..counts.suspensions).map(|_| Blow::Suspend { pause: session + ms(rng, 1_000..4_000) }));
    blows.extend((0..counts.leaves).map(|_| Blow::Leave { away: ms(rng, 1_000..away_max_ms) }));
    rng.shuffle(&mut blows);
    let mut times: Vec<Duration> = blows.iter().map(|_| window.0 + window.1.mul_f64(rng.f64())).collect();
    times.sort_unstable();
    times.into_iter().zip(blows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const COUNTS: Counts = Counts { kills: 30, suspensions: 5, leaves: 6 };

    fn planned(seed: u64) -> Vec<Planned> {
        plan(COUNTS, (4 * SECOND, 600 * SECOND), 6 * SECOND, &mut Rng::with_seed(seed))
    }

    #[test]
    fn every_blow_is_planned_within_the_window_and_in_the_order_of_time() {
        let all = planned(1);
        assert_eq!(all.len(), 41);
        assert_eq!(all.iter().filter(|(_, blow)| matches!(blow, Blow::Kill { .. })).count(), 30);
        assert!(all.is_sorted_by_key(|(at, _)| *at));
        assert!(all.iter().all(|(at, _)| (4 * SECOND..=604 * SECOND).contains(at)));
    }

    #[test]
    fn suspensions_outlast_the_session() {
        let pauses: Vec<_> = planned(2)
            .into_iter()
            .filter_map(|(_, blow)| match blow {
                Blow::Suspend { pause } => Some(pause),
                _ => None,
            })
            .collect();
        assert_eq!(pauses.len(), 5);
        assert!(pauses.iter().all(|pause| *pause > 6 * SECOND));
    }

    #[test]
    fn the_seed_decides() {
        assert_eq!(planned(3), planned(3));
        assert_ne!(planned(3), planned(4));
    }
}
