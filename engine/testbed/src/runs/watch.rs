//! What is seen of an instance while something lasts.

use serde::Serialize;

use super::admin::{Scrape, names};
use super::fleet::Fleet;

/// Extremes of one instance's metrics and memory.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Watch {
    /// Looks that were answered.
    pub(crate) looks: u64,
    /// Looks that were not.
    pub(crate) silent: u64,
    /// Bytes in memory at most since the instance started, as the system counts them.
    pub(crate) resident_bytes_max: u64,
    /// Bytes in memory at the last look.
    pub(crate) resident_bytes_last: u64,
    /// Bytes reserved from the budget at most.
    pub(crate) reserved_bytes_max: u64,
    /// Records open at most.
    pub(crate) open_max: u64,
    /// Lag at most.
    pub(crate) lag_max: u64,
    /// Keys parked at most.
    pub(crate) parked_max: u64,
    /// Looks at which a breaker was open.
    pub(crate) breaker_open: u64,
    /// Rebalances seen at the first look.
    pub(crate) rebalances_first: u64,
    /// Rebalances seen at the last look.
    pub(crate) rebalances_last: u64,
    #[serde(skip)]
    last: Scrape,
}

impl Watch {
    /// Looks once at the fleet's first instance.
    pub(crate) fn look(&mut self, fleet: &Fleet<'_>) {
        if let Some((now, max)) = fleet.resident_bytes(0) {
            (self.resident_bytes_last, self.resident_bytes_max) = (now, max);
        }
        let Some(metrics) = fleet.metrics(0) else {
            self.silent += 1;
            return;
        };
        self.reserved_bytes_max = self.reserved_bytes_max.max(metrics.sum(names::RESERVED));
        self.open_max = self.open_max.max(metrics.sum(names::OPEN));
        self.lag_max = self.lag_max.max(metrics.sum(names::LAG));
        self.parked_max = self.parked_max.max(metrics.sum(names::PARKED));
        self.breaker_open += u64::from(metrics.sum(names::BREAKER) > 0);
        self.rebalances_last = metrics.sum(names::REBALANCES);
        if self.looks == 0 {
            self.rebalances_first = self.rebalances_last;
        }
        self.looks += 1;
        self.last = metrics;
    }

    /// What was seen last.
    pub(crate) fn last(&self) -> &Scrape {
        &self.last
    }
}
