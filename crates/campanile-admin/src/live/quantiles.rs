//! Quantiles of the observations of one second, from the growth of a histogram's buckets.

/// Cumulative counts of a histogram by upper bound, summed over series.
///
/// A bound is kept as the bits of a number that is not negative, whose order is that of the numbers.
pub(super) type Buckets = std::collections::BTreeMap<u64, f64>;

/// Returns what the buckets have grown by.
pub(super) fn growth(before: &Buckets, now: &Buckets) -> Buckets {
    // A count that fell has begun anew, and with it its histogram.
    let restarted = now
        .iter()
        .any(|(bound, count)| before.get(bound).is_some_and(|before| before > count));
    let since = |bound| {
        if restarted {
            0.0
        } else {
            before.get(bound).copied().unwrap_or(0.0)
        }
    };
    now.iter()
        .map(|(bound, count)| (*bound, count - since(bound)))
        .collect()
}

/// Estimates a quantile as Prometheus' `histogram_quantile` does: linearly within the bucket where it falls, and by the
/// highest finite bound beyond that. `None` is no observations.
pub(super) fn quantile(buckets: &Buckets, quantile: f64) -> Option<f64> {
    let total = *buckets.get(&f64::INFINITY.to_bits())?;
    if total <= 0.0 {
        return None;
    }
    let rank = quantile * total;
    let (mut lower, mut below) = (0.0, 0.0);
    for (bound, count) in buckets {
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
    // Only where a scrape was torn between its series.
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(counts: &[(f64, f64)]) -> Buckets {
        counts
            .iter()
            .map(|(bound, count)| (bound.to_bits(), *count))
            .collect()
    }

    #[test]
    fn a_quantile_is_where_prometheus_has_it() {
        let some = buckets(&[(0.1, 10.0), (0.5, 30.0), (1.0, 40.0), (f64::INFINITY, 40.0)]);
        let close = |a: Option<f64>, b: f64| a.is_some_and(|a| (a - b).abs() < 1e-9);
        assert!(close(quantile(&some, 0.5), 0.1 + 0.4 * 10.0 / 20.0));
        assert!(close(quantile(&some, 0.25), 0.1));
        assert!(close(quantile(&some, 0.1), 0.04));
        assert!(close(quantile(&some, 0.95), 0.5 + 0.5 * 8.0 / 10.0));
        let beyond = buckets(&[(0.1, 1.0), (f64::INFINITY, 4.0)]);
        assert!(close(quantile(&beyond, 0.99), 0.1));
        let empty = buckets(&[(0.1, 0.0), (f64::INFINITY, 0.0)]);
        assert_eq!(quantile(&empty, 0.5), None);
        assert_eq!(quantile(&Buckets::new(), 0.5), None);
    }

    #[test]
    fn a_histogram_that_fell_has_begun_anew() {
        let before = buckets(&[(0.1, 5.0), (f64::INFINITY, 9.0)]);
        let grown = buckets(&[(0.1, 6.0), (f64::INFINITY, 12.0)]);
        assert_eq!(
            growth(&before, &grown),
            buckets(&[(0.1, 1.0), (f64::INFINITY, 3.0)])
        );
        let fallen = buckets(&[(0.1, 6.0), (f64::INFINITY, 7.0)]);
        assert_eq!(growth(&before, &fallen), fallen);
    }
}
