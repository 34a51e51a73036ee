//! Latencies, counted in buckets of at most 2 % width, and percentiles of them. The clock is the caller's.

use std::time::Duration;

/// Buckets a power of two is divided into.
const PER_OCTAVE: usize = 64;
const OCTAVES: usize = 40;

/// Counts of durations up to some minutes.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; PER_OCTAVE * OCTAVES], total: 0 }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, duration: Duration) {
        let bucket = bucket(duration.as_nanos() as u64).min(self.counts.len() - 1);
        self.counts[bucket] += 1;
        self.total += 1;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.counts.fill(0);
        self.total = 0;
    }

    /// The duration below which the share `quantile` of all lie, in µs; 0 of nothing.
    #[must_use]
    pub fn quantile_us(&self, quantile: f64) -> f64 {
        let rank = (self.total as f64 * quantile).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank && seen > 0 {
                return upper(bucket) as f64 / 1e3;
            }
        }
        0.0
    }
}

/// Values below 64 ns have a bucket each; above, an octave has 64 of equal width.
fn bucket(ns: u64) -> usize {
    let Some(octave) = ns.checked_ilog2().and_then(|log| log.checked_sub(6)) else { return ns as usize };
    (octave as usize + 1) * PER_OCTAVE + ((ns >> octave) as usize - PER_OCTAVE)
}

/// The first value above a bucket.
fn upper(bucket: usize) -> u64 {
    match bucket / PER_OCTAVE {
        0 => bucket as u64 + 1,
        octave => ((bucket % PER_OCTAVE + PER_OCTAVE + 1) as u64) << (octave - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_within_two_percent() {
        let mut histogram = Histogram::default();
        for us in 1..=1_000 {
            histogram.record(Duration::from_micros(us));
        }
        for (quantile, exact) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1_000.0)] {
            let got = histogram.quantile_us(quantile);
            assert!((exact..exact * 1.02).contains(&got), "{quantile}: {got}");
        }
        assert_eq!(Histogram::default().quantile_us(0.5), 0.0);
    }
}
