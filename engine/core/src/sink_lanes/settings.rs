//! How one sink is driven, and what can be seen of it.

use crate::breaker::BreakerSettings;
use crate::failure::Reason;
use crate::pacing::PacingSettings;
use crate::retry::RetrySchedule;

/// How one sink is driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SinkSettings {
    /// Lanes: effects of different lanes travel side by side.
    pub lanes: u16,
    /// Limits of flights.
    pub pacing: PacingSettings,
    /// When parked keys are tried again.
    pub retry: RetrySchedule,
    /// When it stops asking.
    pub breaker: BreakerSettings,
    /// Tries of an effect that fails for an unclear reason before it is a dead letter; `None` is for ever.
    pub attempts_max: Option<u32>,
}

impl Default for SinkSettings {
    /// For a bulk sink: 8 lanes keep a server of a few cores busy; 1,000 documents or 5 MiB is where bulk requests
    /// of Elasticsearch stop gaining.
    fn default() -> Self {
        Self {
            lanes: 8,
            pacing: PacingSettings { flights_max: 8, items_max: 1_000, bytes_max: 5 << 20 },
            retry: RetrySchedule::default(),
            breaker: BreakerSettings::default(),
            attempts_max: Some(10),
        }
    }
}

/// What an operator or a person sees of a sink.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SinkStatus {
    /// Effects waiting or in the air.
    pub effects: usize,
    /// Keys that wait for a retry or for a dead letter.
    pub parked_keys: usize,
    /// Uptime since which the longest parked of them has been so, without a break.
    pub parked_since_ms: Option<u64>,
    /// Flights in the air.
    pub flights: usize,
    /// Whether the breaker is closed.
    pub breaker_closed: bool,
    /// Whether one small request is out to see if the sink is back.
    pub breaker_probing: bool,
    /// How often the breaker has opened.
    pub breaker_opened: u64,
    /// What failed last, for people.
    pub last_error: Option<Reason>,
    /// Requests sent.
    pub requests: u64,
    /// Effects refused for load.
    pub overloaded: u64,
    /// Effects put off for a retry.
    pub retries: u64,
}
