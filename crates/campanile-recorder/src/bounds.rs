//! The upper bounds of a histogram's buckets, and which bucket a value falls into.

use std::sync::Arc;

/// Bits of a float below its sign, exponent and the two highest bits of its fraction: values that share the rest lie
/// within a quarter of one another.
const SHIFT: u32 = 50;

/// Upper bounds, finite and rising, with a table that finds a value's bucket.
///
/// The table is indexed by the highest bits of the value. Where no two bounds are within a quarter of one another, as in
/// all our defaults, an entry and one comparison tell the bucket, without a branch that chance decides.
#[derive(Debug)]
pub(crate) struct Bounds {
    bounds: Arc<[f64]>,
    /// For each step of the highest bits from `first` on, which is one below the first positive bound and has zero too;
    /// what lies beyond all bounds is repeated to the end. Nothing where a comparison does not tell the bucket.
    steps: Option<Box<[Step; STEPS]>>,
    first: u64,
}

/// Steps of a table: 32 times a doubling. As many as there are places, so that no place needs to be checked.
const STEPS: usize = 128;

/// Values that share their highest bits.
#[derive(Debug, Clone, Copy)]
struct Step {
    /// The only bound that can lie among them.
    bound: f64,
    /// The bucket of those that are not above it.
    bucket: usize,
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
        let (first, steps) = steps(&bounds).map_or((0, None), |(first, steps)| (first, Some(steps)));
        Self {
            bounds: bounds.into(),
            steps,
            first,
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

    /// The bucket of a value, the first whose bound is not below it, if the table tells: for finite values from zero on.
    #[inline]
    pub(crate) fn find(&self, value: f64) -> Option<usize> {
        // The order of the bits is that of the values, as long as they have no sign.
        let bits = value.to_bits();
        if bits >= f64::INFINITY.to_bits() {
            return None;
        }
        let step = (bits >> SHIFT).saturating_sub(self.first).min(STEPS as u64 - 1);
        let step = &self.steps.as_ref()?[step as usize];
        Some(step.bucket + usize::from(value > step.bound))
    }

    /// The bucket of any finite value.
    pub(crate) fn search(&self, value: f64) -> usize {
        self.bounds.partition_point(|bound| *bound < value)
    }
}

/// Makes the table and says what its first step is; nothing if two bounds share a step, if they span more steps than
/// there are, or if none is positive.
fn steps(bounds: &[f64]) -> Option<(u64, Box<[Step; STEPS]>)> {
    let positive = bounds.partition_point(|bound| *bound <= 0.0);
    let step = |bound: f64| bound.to_bits() >> SHIFT;
    // One more at each end, for whatever lies beyond.
    let first = step(*bounds.get(positive)?).saturating_sub(1);
    if step(*bounds.last()?) + 1 - first >= STEPS as u64 {
        return None;
    }
    let mut bucket = positive;
    let mut steps = Box::new(
        [Step {
            bound: f64::INFINITY,
            bucket,
        }; STEPS],
    );
    for (at, entry) in (first..).zip(&mut *steps) {
        entry.bucket = bucket;
        if at == first && bounds[..positive].last() == Some(&0.0) {
            // Zero is not above this bound, and the rest of the step is, unless a positive bound is so small.
            if step(bounds[positive]) == at {
                return None;
            }
            *entry = Step {
                bound: 0.0,
                bucket: positive - 1,
            };
            continue;
        }
        let mut within = bounds[bucket..].iter().take_while(|bound| step(**bound) == at);
        if let Some(bound) = within.next() {
            entry.bound = *bound;
            bucket += 1;
        }
        if within.next().is_some() {
            return None;
        }
    }
    Some((first, steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agrees(bounds: &[f64], values: impl IntoIterator<Item = f64>) {
        let table = Bounds::new(bounds);
        for value in values {
            if let Some(found) = table.find(value) {
                assert_eq!(found, table.search(value), "{value} among {bounds:?}");
            }
        }
    }

    #[test]
    fn bounds_that_are_far_apart_or_close_together_are_searched() {
        for bounds in [&[1e-300, 1e300][..], &[1.0, 1.01], &[-1.0, 0.0]] {
            assert_eq!(Bounds::new(bounds).find(1.0), None);
        }
    }

    #[test]
    fn all_defaults_have_a_table() {
        for bounds in [&[0.0, 0.5, 0.75, 1.0, 2.5][..], &[0.0, 256.0, 1_024.0]] {
            assert_eq!(
                Bounds::new(bounds).find(0.7),
                Some(Bounds::new(bounds).search(0.7))
            );
        }
    }

    #[test]
    fn a_value_on_a_bound_is_within_it() {
        let table = Bounds::new(&[0.0, 0.1, 0.25]);
        assert_eq!(
            [0.0, 0.05, 0.1, 0.100_001, 0.25, 0.3, -1.0].map(|value| table.search(value)),
            [0, 1, 1, 2, 2, 3, 0]
        );
    }

    #[test]
    fn the_table_agrees_with_a_search() {
        let sets: [&[f64]; 10] = [
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
            &[f64::MIN_POSITIVE, f64::MAX],
            &[5e-324],
            &[0.0, 5e-324],
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
    fn zero_is_found_as_it_is_most_requests_size() {
        for (bounds, bucket) in [(&[0.0, 256.0][..], 0), (&[256.0], 0), (&[-1.0, 256.0], 1)] {
            assert_eq!(Bounds::new(bounds).find(0.0), Some(bucket), "{bounds:?}");
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
