//! How many requests a system that is down may get from one worker.

use std::collections::BTreeMap;

use thalweg_core::SinkSettings;

use crate::checks::{Checked, Violation};

/// Requests sent to one system during its current outage, by worker.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    since_ms: u64,
    sent: BTreeMap<u64, u64>,
}

impl Patience {
    pub(crate) fn outage_began(&mut self, now_ms: u64) {
        self.since_ms = now_ms;
        self.sent.clear();
    }

    /// An answer that was still on its way tells the worker that the system lives.
    pub(crate) fn deceived(&mut self, incarnation: u64) {
        self.sent.remove(&incarnation);
    }

    /// A request was sent although the system is down.
    pub(crate) fn sent(&mut self, incarnation: u64, settings: &SinkSettings, now_ms: u64) -> Checked {
        let sent = self.sent.entry(incarnation).or_default();
        *sent += 1;
        let breaker = settings.breaker;
        // Waits between probes double from the first to the last; two for rounding.
        let doublings = (breaker.max_wait_ms / breaker.first_wait_ms.max(1)).max(1).ilog2();
        let probes = u64::from(doublings) + (now_ms - self.since_ms) / breaker.max_wait_ms + 2;
        let most = u64::from(breaker.failures_to_open) + u64::from(settings.pacing.flights_max) + probes;
        if *sent <= most {
            return Ok(());
        }
        let (sent, for_ms) = (*sent, now_ms - self.since_ms);
        let detail = format!(
            "{sent} requests to a system that has been down for {for_ms} ms, at most {most} expected"
        );
        Err(Violation::new("breaker_holds_back", detail))
    }
}
