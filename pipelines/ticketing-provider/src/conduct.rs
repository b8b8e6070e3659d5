//! How the provider behaves.

use std::time::Duration;

/// How the provider behaves. Shares are of requests, from 0 to 1; one request has one fate at most.
#[derive(Debug, Clone, PartialEq)]
pub struct Conduct {
    /// Whether a request with the idempotency key of an earlier one gets that one's answer, and has no other effect.
    pub deduplicates: bool,
    /// Of requests that are answered late.
    pub slow_share: f64,
    /// How late.
    pub slow: Duration,
    /// Of requests that are answered with a 503, and not done.
    pub failing_share: f64,
    /// Of requests that are done, and not answered.
    pub losing_share: f64,
    /// How long a request whose answer is lost stays open. Longer than who asks will wait.
    pub silence: Duration,
}

impl Default for Conduct {
    /// A good day.
    fn default() -> Self {
        Self {
            deduplicates: false,
            slow_share: 0.0,
            slow: Duration::from_secs(1),
            failing_share: 0.0,
            losing_share: 0.0,
            silence: Duration::from_secs(30),
        }
    }
}

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is done, and answered.
    Good,
    /// The same, later.
    Slow,
    /// It is refused for no reason of its own, and not done.
    Failing,
    /// It is done, and not answered.
    Losing,
}

impl Conduct {
    /// Draws the fate of a request.
    pub fn draw(&self, rng: &mut fastrand::Rng) -> Fate {
        let drawn = rng.f64();
        let (slow, failing) = (self.slow_share, self.slow_share + self.failing_share);
        match drawn {
            _ if drawn < slow => Fate::Slow,
            _ if drawn < failing => Fate::Failing,
            _ if drawn < failing + self.losing_share => Fate::Losing,
            _ => Fate::Good,
        }
    }

    /// Why it can't behave so, if it can't.
    ///
    /// # Errors
    /// The shares, when they are none.
    pub fn check(&self) -> Result<(), String> {
        let shares = [self.slow_share, self.failing_share, self.losing_share];
        let good =
            shares.iter().all(|share| (0.0..=1.0).contains(share)) && shares.iter().sum::<f64>() <= 1.0;
        if good {
            return Ok(());
        }
        Err(format!(
            "slow-share {}, failing-share {} and losing-share {} must each be from 0 to 1, and 1 at most together",
            self.slow_share, self.failing_share, self.losing_share
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fate_comes_as_often_as_its_share_says() {
        let conduct =
            Conduct { slow_share: 0.1, failing_share: 0.2, losing_share: 0.3, ..Conduct::default() };
        let mut rng = fastrand::Rng::with_seed(7);
        let mut times = [0u32; 4];
        for _ in 0..100_000 {
            times[conduct.draw(&mut rng) as usize] += 1;
        }
        let share = |fate: Fate| f64::from(times[fate as usize]) / 100_000.0;
        for (fate, expected) in
            [(Fate::Good, 0.4), (Fate::Slow, 0.1), (Fate::Failing, 0.2), (Fate::Losing, 0.3)]
        {
            assert!((share(fate) - expected).abs() < 0.01, "{fate:?}: {}", share(fate));
        }
        let good = Conduct::default();
        assert!((0..1_000).all(|_| good.draw(&mut rng) == Fate::Good));
    }

    #[test]
    fn shares_that_are_none_are_refused() {
        assert_eq!(Conduct { slow_share: 1.0, ..Conduct::default() }.check(), Ok(()));
        for (slow_share, failing_share, losing_share) in
            [(1.1, 0.0, 0.0), (-0.1, 0.0, 0.0), (0.5, 0.4, 0.2), (f64::NAN, 0.0, 0.0)]
        {
            let conduct = Conduct { slow_share, failing_share, losing_share, ..Conduct::default() };
            assert!(conduct.check().is_err(), "{conduct:?}");
        }
    }
}
