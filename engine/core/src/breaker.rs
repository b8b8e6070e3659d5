//! The circuit breaker of one sink: stops asking a system that is down, and finds out when it is back.

/// What the breaker allows right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Requests flow.
    Closed,
    /// No request before that uptime.
    Open {
        /// Uptime at which a probe may go out.
        probe_at_ms: u64,
    },
    /// One small request is out; everything else waits for its answer.
    Probing,
}

/// When it opens, and how long it stays so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Flights in a row that found the sink down before it opens.
    pub failures_to_open: u32,
    /// Wait before the first probe.
    pub first_wait_ms: u64,
    /// Bound that the wait between probes doubles up to.
    pub max_wait_ms: u64,
}

impl Default for BreakerSettings {
    /// Five in a row: a single node restarting behind a load balancer must not stop the flow. A probe every 5 s at
    /// the latest finds a recovered system soon and costs it nothing.
    fn default() -> Self {
        Self { failures_to_open: 5, first_wait_ms: 500, max_wait_ms: 5_000 }
    }
}

/// See the module's text.
#[derive(Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    state: BreakerState,
    failures: u32,
    wait_ms: u64,
    opened: u64,
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            state: BreakerState::Closed,
            failures: 0,
            wait_ms: settings.first_wait_ms,
            opened: 0,
        }
    }

    /// What it allows.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.state
    }

    /// How often it has opened.
    #[must_use]
    pub fn times_opened(&self) -> u64 {
        self.opened
    }

    /// Whether a flight may leave now: `None` no, `Some(true)` one small probe, `Some(false)` any.
    #[must_use]
    pub fn admits(&self, uptime_ms: u64) -> Option<bool> {
        match self.state {
            BreakerState::Closed => Some(false),
            BreakerState::Open { probe_at_ms } if uptime_ms >= probe_at_ms => Some(true),
            BreakerState::Open { .. } | BreakerState::Probing => None,
        }
    }

    /// The probe that [`Breaker::admits`] allowed has left.
    pub fn probe_left(&mut self) {
        self.state = BreakerState::Probing;
    }

    /// The sink answered as a living system does. Answers whether the breaker closed by it.
    pub fn succeeded(&mut self) -> bool {
        let closes = self.state != BreakerState::Closed;
        self.failures = 0;
        self.wait_ms = self.settings.first_wait_ms;
        self.state = BreakerState::Closed;
        closes
    }

    /// A flight found the sink down.
    pub fn failed(&mut self, uptime_ms: u64) {
        self.failures = self.failures.saturating_add(1);
        match self.state {
            BreakerState::Closed if self.failures < self.settings.failures_to_open => {}
            // A flight that left before the breaker opened says nothing new.
            BreakerState::Open { .. } => {}
            BreakerState::Closed | BreakerState::Probing => {
                self.opened += u64::from(self.state == BreakerState::Closed);
                self.state = BreakerState::Open { probe_at_ms: uptime_ms.saturating_add(self.wait_ms) };
                self.wait_ms = self.wait_ms.saturating_mul(2).min(self.settings.max_wait_ms);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: BreakerSettings =
        BreakerSettings { failures_to_open: 3, first_wait_ms: 100, max_wait_ms: 300 };

    #[test]
    fn opens_after_failures_in_a_row_and_probes_with_growing_waits() {
        let mut breaker = Breaker::new(SETTINGS);
        for _ in 0..2 {
            breaker.failed(0);
        }
        assert_eq!(breaker.admits(0), Some(false));
        breaker.succeeded();
        for _ in 0..3 {
            breaker.failed(10);
        }
        assert_eq!(breaker.state(), BreakerState::Open { probe_at_ms: 110 });
        assert_eq!(breaker.admits(109), None);
        for (at, next) in [(110, 310), (310, 610), (610, 910)] {
            assert_eq!(breaker.admits(at), Some(true));
            breaker.probe_left();
            assert_eq!(breaker.admits(at), None, "one probe at a time");
            breaker.failed(at);
            assert_eq!(breaker.state(), BreakerState::Open { probe_at_ms: next });
        }
        assert_eq!(breaker.times_opened(), 1);
        assert!(breaker.succeeded());
        assert_eq!(breaker.admits(0), Some(false));
    }
}
