//! What a worker measures of itself: histograms of times and of sizes, which only ever grow.
//!
//! A record costs one increment, when it ends; everything else is measured once per batch or per flight.

use hdrhistogram::Histogram;

use crate::outcome::Outcome;
use crate::time::Now;

/// What takes longer counts as this long: an hour's lateness is told by the lag, not by a latency.
pub const LATENCY_MAX_MS: u64 = 3_600_000;

/// No flight and no batch is larger; one that were would count as this large.
const SIZE_MAX: u64 = 100_000;

/// Two digits: values are told within 1 %, and a histogram of an hour takes 16 KiB.
const DIGITS: u8 = 2;

/// How long things took, in ms, since the worker began. Values below 256 ms are exact.
#[derive(Debug, Clone, PartialEq)]
pub struct Latencies {
    /// Of delivered records: from the log's timestamp until the last of their effects was known to be durable.
    ///
    /// Across two clocks, the producer's (or broker's) and ours: a timestamp in the future counts as now. Records
    /// without a timestamp are left out here and below.
    pub end_to_end_ms: Histogram<u64>,
    /// The same of dead-lettered records, until their dead letter was acknowledged. Apart, because their retries say
    /// nothing of how late effects are.
    pub dead_letter_ms: Histogram<u64>,
    /// From the log's timestamp until the record was read. Measured of the oldest new record of each batch, and
    /// counted for all new ones: an upper bound. Includes what stood in the log while nobody read it.
    pub read_ms: Histogram<u64>,
    /// Of each flight that leaves for a sink: how long the one of its effects that waited longest was in its lane.
    /// Effects that were parked are left out: they wait for their backoff, not for the lane.
    pub lane_wait_ms: Histogram<u64>,
    /// Of each flight: from its departure until the last of its replies was seen, whatever the replies were.
    pub flight_ms: Histogram<u64>,
}

impl Default for Latencies {
    fn default() -> Self {
        let new = || histogram(LATENCY_MAX_MS);
        Self {
            end_to_end_ms: new(),
            dead_letter_ms: new(),
            read_ms: new(),
            lane_wait_ms: new(),
            flight_ms: new(),
        }
    }
}

impl Latencies {
    /// A record has ended: the one increment per record.
    #[inline]
    pub(crate) fn ended(&mut self, outcome: Outcome, timestamp_ms: i64, now: Now) {
        let histogram = match outcome {
            Outcome::Delivered => &mut self.end_to_end_ms,
            Outcome::DeadLettered => &mut self.dead_letter_ms,
            Outcome::Filtered | Outcome::Duplicate | Outcome::Superseded => return,
        };
        if let Some(age_ms) = age_ms(timestamp_ms, now) {
            histogram.saturating_record(age_ms);
        }
    }

    /// So many new records were read, the oldest of them with that timestamp.
    pub(crate) fn read(&mut self, oldest_ms: i64, records: u64, now: Now) {
        if let Some(age_ms) = age_ms(oldest_ms, now) {
            self.read_ms.saturating_record_n(age_ms, records);
        }
    }
}

impl std::ops::AddAssign<&Latencies> for Latencies {
    fn add_assign(&mut self, other: &Latencies) {
        self.end_to_end_ms += &other.end_to_end_ms;
        self.dead_letter_ms += &other.dead_letter_ms;
        self.read_ms += &other.read_ms;
        self.lane_wait_ms += &other.lane_wait_ms;
        self.flight_ms += &other.flight_ms;
    }
}

/// How much went together, since the worker began.
#[derive(Debug, Clone, PartialEq)]
pub struct Sizes {
    /// Records of each batch that was read.
    pub batch_records: Histogram<u64>,
    /// Effects of each flight that left for a sink.
    pub flight_effects: Histogram<u64>,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { batch_records: histogram(SIZE_MAX), flight_effects: histogram(SIZE_MAX) }
    }
}

impl std::ops::AddAssign<&Sizes> for Sizes {
    fn add_assign(&mut self, other: &Sizes) {
        self.batch_records += &other.batch_records;
        self.flight_effects += &other.flight_effects;
    }
}

/// Both, as a worker's turn writes them.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) latencies: Latencies,
    pub(crate) sizes: Sizes,
}

impl Measured {
    /// A flight of so many effects leaves, of which the longest waiting one has waited so long.
    pub(crate) fn departs(&mut self, effects: usize, wait_ms: Option<u32>) {
        self.sizes.flight_effects.saturating_record(effects as u64);
        if let Some(wait_ms) = wait_ms {
            self.latencies.lane_wait_ms.saturating_record(wait_ms.into());
        }
    }
}

fn histogram(max: u64) -> Histogram<u64> {
    Histogram::new_with_bounds(1, max, DIGITS).expect("these bounds are possible")
}

/// How old a record of that timestamp is; `None` when it has none.
fn age_ms(timestamp_ms: i64, now: Now) -> Option<u64> {
    (timestamp_ms >= 0).then(|| now.unix_ms.saturating_sub(timestamp_ms).max(0).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now { uptime_ms: 5, unix_ms: 10_000 };

    #[test]
    fn a_record_counts_where_its_outcome_says() {
        let mut latencies = Latencies::default();
        for (outcome, timestamp_ms) in Outcome::ALL.into_iter().zip([9_000, 9_100, 9_200, 9_993, 9_960]) {
            latencies.ended(outcome, timestamp_ms, NOW);
        }
        assert_eq!((latencies.end_to_end_ms.len(), latencies.end_to_end_ms.max()), (1, 7));
        assert_eq!((latencies.dead_letter_ms.len(), latencies.dead_letter_ms.max()), (1, 40));
    }

    #[test]
    fn the_future_is_now_and_no_timestamp_is_no_latency() {
        let mut latencies = Latencies::default();
        latencies.ended(Outcome::Delivered, NOW.unix_ms + 500, NOW);
        assert_eq!((latencies.end_to_end_ms.len(), latencies.end_to_end_ms.max()), (1, 0));
        latencies.ended(Outcome::Delivered, -1, NOW);
        latencies.read(-1, 10, NOW);
        assert_eq!((latencies.end_to_end_ms.len(), latencies.read_ms.len()), (1, 0));
    }

    #[test]
    fn a_week_counts_as_the_longest_and_takes_no_room() {
        let mut latencies = Latencies::default();
        let before = latencies.read_ms.distinct_values();
        latencies.read(0, 3, Now { uptime_ms: 0, unix_ms: 7 * 24 * 3_600_000 });
        assert_eq!((latencies.read_ms.len(), latencies.read_ms.distinct_values()), (3, before));
        assert!(latencies.read_ms.max() >= LATENCY_MAX_MS);
        assert!(before <= 2_048, "a histogram has {before} counters");
    }
}
