//! Latency histograms, and the file format that HdrHistogram's plotters read.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::io::{self, Write};

/// Longer than any record waits: what takes longer counts as an hour.
const LATENCY_US_MAX: u64 = 3_600_000_000;

/// Three significant digits from a microsecond to an hour: of fixed size (200 KB), so that recording never fails.
#[must_use]
pub fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)
        .unwrap_or_else(|error| unreachable!("these bounds are possible: {error}"))
}

/// What a report says of a histogram, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Quantiles {
    /// Half is below.
    pub p50: u64,
    /// Nine of ten are below.
    pub p90: u64,
    /// All but one of a hundred are below.
    pub p99: u64,
    /// All but one of a thousand are below.
    pub p999: u64,
    /// The largest.
    pub max: u64,
}

impl From<&Histogram<u64>> for Quantiles {
    fn from(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile);
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: histogram.max() }
    }
}

/// Writes a percentile distribution (`.hgrm`) in milliseconds, from a histogram in microseconds.
///
/// # Errors
/// When `out` can't be written.
pub fn write(histogram: &Histogram<u64>, out: &mut impl Write) -> io::Result<()> {
    const MS: f64 = 1000.0;
    writeln!(out, "{:>12} {:>14} {:>10} {:>14}\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")?;
    let mut total = 0;
    for step in histogram.iter_quantiles(5) {
        total += step.count_since_last_iteration();
        let quantile = step.quantile_iterated_to();
        let value = step.value_iterated_to() as f64 / MS;
        write!(out, "{value:12.3} {quantile:14.12} {total:10}")?;
        if quantile < 1.0 {
            write!(out, " {:14.2}", 1.0 / (1.0 - quantile))?;
        }
        writeln!(out)?;
    }
    let (mean, deviation) = (histogram.mean() / MS, histogram.stdev() / MS);
    writeln!(out, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]")?;
    let (max, count) = (histogram.max() as f64 / MS, histogram.len());
    writeln!(out, "#[Max     = {max:12.3}, Total count    = {count:12}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_lists_rising_percentiles_up_to_all() {
        let mut histogram = latencies();
        (1..=10_000).for_each(|us| histogram.saturating_record(us));
        let mut out = Vec::new();
        write(&histogram, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let rows: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|field| field.parse().unwrap()).collect())
            .collect();
        assert!(rows.is_sorted_by(|low, high| low[0] <= high[0] && low[1] <= high[1] && low[2] <= high[2]));
        let last = rows.last().unwrap();
        assert_eq!((last[1], last[2]), (1.0, 10_000.0));
        let median = rows.iter().find(|row| row[1] >= 0.5).unwrap();
        assert!((median[0] - 5.0).abs() < 0.1, "{median:?}");
        assert!(text.ends_with("Total count    =        10000]\n"));
        assert_eq!(Quantiles::from(&histogram).p99, 9903);
    }
}
