//! A histogram in fixed buckets, made of a finer one.

use hdrhistogram::Histogram;

/// Upper bounds of the buckets of latencies, in ms: close where a flow's objectives are, up to half an hour.
pub(super) const LATENCY_BOUNDS_MS: [u64; 20] = [
    1, 2, 3, 5, 7, 10, 15, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000,
    1_800_000,
];

/// Upper bounds of the buckets of sizes: up to more than a flight or a batch may hold.
pub(super) const SIZE_BOUNDS: [u64; 11] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500];

/// Counts up to each bound, and the sum of all values.
pub(super) struct Buckets {
    /// As many as there are bounds.
    pub(super) cumulative: Vec<u64>,
    /// Within 1 %: values are what their bucket in the finer histogram is in the middle of.
    pub(super) sum: f64,
    pub(super) count: u64,
}

impl Buckets {
    /// Puts every value into the first bucket whose bound it does not pass. From one time to the next no count and no
    /// sum gets smaller.
    pub(super) fn of(histogram: &Histogram<u64>, bounds: &[u64]) -> Self {
        let mut cumulative = vec![0; bounds.len()];
        let (mut sum, mut count) = (0.0, 0);
        for step in histogram.iter_recorded() {
            let (value, times) = (step.value_iterated_to(), step.count_since_last_iteration());
            let lowest = histogram.lowest_equivalent(value);
            let first = bounds.partition_point(|bound| *bound < lowest);
            if let Some(bucket) = cumulative.get_mut(first) {
                *bucket += times;
            }
            sum += histogram.median_equivalent(value) as f64 * times as f64;
            count += times;
        }
        let mut below = 0;
        for bucket in &mut cumulative {
            below += *bucket;
            *bucket = below;
        }
        Self { cumulative, sum, count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_at_a_bound_counts_below_it_and_one_above_counts_above() {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000, 2).unwrap();
        for value in [0, 1, 2, 10, 11, 1_000, 3_600_000] {
            histogram.record(value).unwrap();
        }
        let buckets = Buckets::of(&histogram, &[1, 10, 1_000]);
        assert_eq!((buckets.cumulative, buckets.count), (vec![2, 4, 6], 7));
        assert!((buckets.sum / 3_601_024.0 - 1.0).abs() < 0.01, "{}", buckets.sum);
    }
}
