//! Quantiles of the observations of one second, from the increase of a histogram's buckets.

use std::collections::BTreeMap;

/// The most bounds that are kept, since the text comes from a callback.
const MAX_BOUNDS: usize = 200;

/// Cumulative counts by upper bound, summed over the series of a histogram.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Buckets {
    /// Keys are the bits of non-negative numbers, which sort like the numbers.
    counts: BTreeMap<u64, f64>,
}

impl Buckets {
    /// Adds to the count of a bound. Negative bounds and NaN are ignored.
    pub(super) fn add(&mut self, bound: f64, count: f64) {
        if bound.is_nan() || bound < 0.0 {
            return;
        }
        // Turns -0.0 into 0.0.
        let bound = (bound + 0.0).to_bits();
        if self.counts.len() < MAX_BOUNDS || self.counts.contains_key(&bound) {
            *self.counts.entry(bound).or_default() += count;
        }
    }

    /// Returns the increase since `before`. A count that fell means that the histogram was reset to zero in between.
    pub(super) fn increase_since(&self, before: &Self) -> Self {
        let reset = self
            .counts
            .iter()
            .any(|(bound, count)| before.counts.get(bound).is_some_and(|before| before > count));
        if reset {
            return self.clone();
        }
        let increase = |(bound, count): (&u64, &f64)| {
            let before = before.counts.get(bound).copied().unwrap_or(0.0);
            (*bound, count - before)
        };
        Self {
            counts: self.counts.iter().map(increase).collect(),
        }
    }

    /// Estimates a quantile like `histogram_quantile` of Prometheus: by linear interpolation within a bucket, and as the highest
    /// finite bound beyond that. Returns `None` without observations.
    pub(super) fn quantile(&self, quantile: f64) -> Option<f64> {
        let total = *self.counts.get(&f64::INFINITY.to_bits())?;
        if total <= 0.0 {
            return None;
        }
        let rank = quantile * total;
        let (mut lower, mut below) = (0.0, 0.0);
        for (bound, count) in &self.counts {
            let upper = f64::from_bits(*bound);
            if *count >= rank && *count > below {
                return Some(if upper.is_finite() {
                    lower + (upper - lower) * (rank - below) / (count - below)
                } else {
                    lower
                });
            }
            (lower, below) = (upper, count.max(below));
        }
        // Reached only if a scrape was inconsistent between its series.
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(counts: &[(f64, f64)]) -> Buckets {
        let mut buckets = Buckets::default();
        for (bound, count) in counts {
            buckets.add(*bound, *count);
        }
        buckets
    }

    #[test]
    fn quantiles_match_histogram_quantile() {
        let some = buckets(&[(0.1, 10.0), (0.5, 30.0), (1.0, 40.0), (f64::INFINITY, 40.0)]);
        let close = |a: Option<f64>, b: f64| a.is_some_and(|a| (a - b).abs() < 1e-9);
        assert!(close(some.quantile(0.5), 0.1 + 0.4 * 10.0 / 20.0));
        assert!(close(some.quantile(0.25), 0.1));
        assert!(close(some.quantile(0.1), 0.04));
        assert!(close(some.quantile(0.95), 0.5 + 0.5 * 8.0 / 10.0));
        let beyond = buckets(&[(0.1, 1.0), (f64::INFINITY, 4.0)]);
        assert!(close(beyond.quantile(0.99), 0.1));
        let empty = buckets(&[(0.1, 0.0), (f64::INFINITY, 0.0)]);
        assert_eq!(empty.quantile(0.5), None);
        assert_eq!(Buckets::default().quantile(0.5), None);
    }

    #[test]
    fn counts_that_fell_are_a_reset() {
        let before = buckets(&[(0.1, 5.0), (f64::INFINITY, 9.0)]);
        let grown = buckets(&[(0.1, 6.0), (f64::INFINITY, 12.0)]);
        assert_eq!(
            grown.increase_since(&before),
            buckets(&[(0.1, 1.0), (f64::INFINITY, 3.0)])
        );
        let fallen = buckets(&[(0.1, 6.0), (f64::INFINITY, 7.0)]);
        assert_eq!(fallen.increase_since(&before), fallen);
    }
}
