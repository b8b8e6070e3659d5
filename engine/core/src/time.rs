//! Time as the core sees it: always passed in, never read.

/// One reading of the clocks, taken by the driver once per turn.
///
/// Two clocks, because each lies in its own way: `uptime_ms` never steps and runs on while the machine or the
/// process is suspended (so a gap between two turns is seen); `unix_ms` may step, and is only written down
/// (dead-letter headers), never waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since an arbitrary start; monotonic, includes suspension.
    pub uptime_ms: u64,
    /// Milliseconds since 1970-01-01 UTC, as the wall clock says.
    pub unix_ms: i64,
}

impl Now {
    /// The instant `delay_ms` after this one on the uptime clock.
    #[must_use]
    pub fn plus_ms(self, delay_ms: u64) -> u64 {
        self.uptime_ms.saturating_add(delay_ms)
    }
}
