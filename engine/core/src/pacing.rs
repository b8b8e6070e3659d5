//! Adaptive concurrency: how many flights, and how large, a sink gets at a time.
//!
//! Additive increase, multiplicative decrease, as TCP has it (Chiu and Jain, 1989): the one rule of this kind that
//! converges to a fair share when several writers meet the same overloaded system.

/// Limits between which the pace moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacingSettings {
    /// Flights in the air at most.
    pub flights_max: u16,
    /// Effects in a flight at most.
    pub items_max: u32,
    /// Bytes in a flight at most (a single larger effect still goes).
    pub bytes_max: u32,
}

/// See the module's text.
#[derive(Debug)]
pub struct Pacing {
    settings: PacingSettings,
    /// Flights allowed, in 1/256.
    flights: u32,
    items: u32,
}

const ONE_FLIGHT: u32 = 256;

/// A flight never shrinks below this by overload: smaller ones cost more than they spare.
const ITEMS_MIN: u32 = 16;

impl Pacing {
    /// Starts at full pace: backpressure is answered, not expected.
    #[must_use]
    pub fn new(settings: PacingSettings) -> Self {
        Self {
            settings,
            flights: u32::from(settings.flights_max.max(1)) * ONE_FLIGHT,
            items: settings.items_max.max(1),
        }
    }

    /// Flights allowed in the air; at least 1.
    #[must_use]
    pub fn flights(&self) -> usize {
        (self.flights / ONE_FLIGHT) as usize
    }

    /// Effects allowed in a flight; at least 1.
    #[must_use]
    pub fn items(&self) -> usize {
        self.items as usize
    }

    /// Bytes allowed in a flight.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.settings.bytes_max as usize
    }

    /// A flight went through: one flight more for each full round, and an eighth of the items.
    pub fn went_well(&mut self) {
        let limit = u32::from(self.settings.flights_max.max(1)) * ONE_FLIGHT;
        let step = (ONE_FLIGHT * ONE_FLIGHT / self.flights.max(1)).max(1);
        self.flights = (self.flights + step).min(limit);
        self.items = (self.items + (self.settings.items_max / 8).max(1)).min(self.settings.items_max.max(1));
    }

    /// A flight was refused for load: half of both.
    pub fn overloaded(&mut self) {
        self.flights = (self.flights / 2).max(ONE_FLIGHT);
        self.items = (self.items / 2).max(ITEMS_MIN.min(self.settings.items_max.max(1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_under_overload_and_comes_back() {
        let mut pacing = Pacing::new(PacingSettings { flights_max: 8, items_max: 1_000, bytes_max: 1 << 20 });
        assert_eq!((pacing.flights(), pacing.items()), (8, 1_000));
        pacing.overloaded();
        assert_eq!((pacing.flights(), pacing.items()), (4, 500));
        for _ in 0..20 {
            pacing.overloaded();
        }
        assert_eq!((pacing.flights(), pacing.items()), (1, ITEMS_MIN as usize));
        for _ in 0..60 {
            pacing.went_well();
        }
        assert_eq!((pacing.flights(), pacing.items()), (8, 1_000));
    }
}
