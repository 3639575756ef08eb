//! The upper bounds of a histogram's buckets, and which bucket a value falls into.

use std::sync::Arc;

/// Bits of a float below its sign, exponent and the two highest bits of its fraction: values that share the rest lie
/// within a quarter of one another.
const SHIFT: u32 = 50;

/// Upper bounds, finite and rising, with a table that finds a value's bucket.
///
/// The table is indexed by the highest bits of the value. Where no two bounds are within a quarter of one another, as in
/// all our defaults, an entry and one comparison tell the bucket.
#[derive(Debug)]
pub(crate) struct Bounds {
    bounds: Arc<[f64]>,
    /// For each step of the highest bits from `first` on: the lowest bucket that a value of that step can be in.
    starts: Box<[u16]>,
    first: u64,
    /// Whether there is a bound below zero, where the order of bits is not that of values.
    negative: bool,
}

impl Bounds {
    /// Makes bounds of numbers in any order; what is not finite or stands twice is left out.
    ///
    /// More than 1,000 buckets are nothing that anybody could render: the highest beyond that are left out.
    pub(crate) fn new(bounds: &[f64]) -> Self {
        let mut bounds: Vec<f64> = bounds.iter().copied().filter(|bound| bound.is_finite()).collect();
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        bounds.truncate(1_000);
        let negative = bounds.first().is_some_and(|bound| *bound < 0.0);
        let positive = bounds.partition_point(|bound| *bound <= 0.0);
        let step = |bound: f64| bound.to_bits() >> SHIFT;
        let (mut starts, mut first) = (Vec::new(), 0);
        if let (Some(low), Some(high)) = (bounds.get(positive), bounds.last()) {
            first = step(*low);
            let steps = first..=step(*high) + 1;
            starts.extend(steps.map(|step| {
                let least = f64::from_bits(step << SHIFT);
                bounds.partition_point(|bound| *bound < least) as u16
            }));
            // Whatever lies below the first step is looked up in it.
            starts[0] = positive as u16;
        }
        if starts.is_empty() {
            starts.push(bounds.len() as u16);
        }
        Self {
            bounds: bounds.into(),
            starts: starts.into(),
            first,
            negative,
        }
    }

    /// The bounds.
    pub(crate) fn as_slice(&self) -> &[f64] {
        &self.bounds
    }

    /// The bounds, shared.
    pub(crate) fn share(&self) -> Arc<[f64]> {
        Arc::clone(&self.bounds)
    }

    /// The number of buckets, that above all bounds included.
    pub(crate) fn buckets(&self) -> usize {
        self.bounds.len() + 1
    }

    /// The bucket of a value that is a number: the first whose bound is not below it.
    #[inline]
    pub(crate) fn bucket(&self, value: f64) -> usize {
        if value <= 0.0 || self.negative {
            return self.bounds.partition_point(|bound| *bound < value);
        }
        let step = (value.to_bits() >> SHIFT).saturating_sub(self.first) as usize;
        let mut bucket = usize::from(self.starts[step.min(self.starts.len() - 1)]);
        while self.bounds.get(bucket).is_some_and(|bound| *bound < value) {
            bucket += 1;
        }
        bucket
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agrees(bounds: &[f64], values: impl IntoIterator<Item = f64>) {
        let table = Bounds::new(bounds);
        for value in values {
            let expected = table.as_slice().partition_point(|bound| *bound < value);
            assert_eq!(table.bucket(value), expected, "{value} among {bounds:?}");
        }
    }

    #[test]
    fn a_value_on_a_bound_is_within_it() {
        let table = Bounds::new(&[0.0, 0.1, 0.25]);
        assert_eq!(
            [0.0, 0.05, 0.1, 0.100_001, 0.25, 0.3, -1.0].map(|v| table.bucket(v)),
            [0, 1, 1, 2, 2, 3, 0]
        );
    }

    #[test]
    fn the_table_agrees_with_a_search() {
        let sets: [&[f64]; 7] = [
            &[
                0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0,
                7.5, 10.0, 30.0, 60.0, 300.0,
            ],
            &[0.0, 256.0, 1024.0, 4096.0, 67_108_864.0],
            &[1.0, 1.01, 1.02, 1.03, 1.04],
            &[-5.0, -1.0, 0.0, 1.0],
            &[0.0],
            &[],
            &[1e-300, 1e300],
        ];
        for bounds in sets {
            let near = bounds.iter().flat_map(|bound| {
                [
                    bound.next_down(),
                    *bound,
                    bound.next_up(),
                    bound * 0.9,
                    bound * 1.3,
                ]
            });
            agrees(
                bounds,
                near.chain([
                    0.0,
                    -0.0,
                    1e-310,
                    1e308,
                    -3.0,
                    0.3,
                    17.0,
                    1e9,
                    f64::MAX,
                    f64::MIN_POSITIVE,
                ]),
            );
        }
    }

    #[test]
    fn bounds_in_disorder_are_put_in_order() {
        assert_eq!(
            Bounds::new(&[2.0, f64::INFINITY, 1.0, f64::NAN, 2.0]).as_slice(),
            [1.0, 2.0]
        );
    }
}
