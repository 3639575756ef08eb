//! The bucket bounds of a histogram, and the search for the bucket of a value.

use std::sync::Arc;

/// The shift that leaves the exponent and the two highest fraction bits of a float: values that share them are within a
/// quarter of each other.
const SHIFT: u32 = 50;

/// Finite, ascending upper bounds, with a lookup table.
///
/// The table is indexed by the highest bits of the value. If no two bounds are within a quarter of each other, as in all
/// defaults, an entry and one comparison give the bucket, without an unpredictable branch.
#[derive(Debug)]
pub(crate) struct Bounds {
    bounds: Arc<[f64]>,
    /// One entry per step of the highest bits, starting at `first`, one step below the first positive bound; values below
    /// use the first entry, values above the last. `None` if one comparison cannot decide.
    steps: Option<Box<[LookupStep; STEPS]>>,
    first: u64,
}

/// Entries of the table: 32 doublings. A constant, so that the index needs no bounds check.
const STEPS: usize = 128;

/// The values that share their highest bits.
#[derive(Debug, Clone, Copy)]
struct LookupStep {
    /// The only bound among them, or infinity.
    bound: f64,
    /// The bucket of those up to the bound.
    bucket: usize,
}

impl Bounds {
    /// Sorts the bounds and removes duplicates and those that are not finite. Keeps the lowest 1,000.
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

    /// Returns the bounds.
    pub(crate) fn as_slice(&self) -> &[f64] {
        &self.bounds
    }

    /// Returns the bounds as a shared slice.
    pub(crate) fn share(&self) -> Arc<[f64]> {
        Arc::clone(&self.bounds)
    }

    /// Returns the number of buckets, including the one above all bounds.
    pub(crate) fn buckets(&self) -> usize {
        self.bounds.len() + 1
    }

    /// Returns the bucket of a value by the table: the first whose bound is not below it. `None` without a table, for
    /// negative values, and for values that are not finite.
    #[inline]
    pub(crate) fn find(&self, value: f64) -> Option<usize> {
        // Without a sign bit, floats sort like their bits.
        let bits = value.to_bits();
        if bits >= f64::INFINITY.to_bits() {
            return None;
        }
        let step = (bits >> SHIFT).saturating_sub(self.first).min(STEPS as u64 - 1);
        let step = &self.steps.as_ref()?[step as usize];
        Some(step.bucket + usize::from(value > step.bound))
    }

    /// Returns the bucket of any finite value by a binary search.
    pub(crate) fn search(&self, value: f64) -> usize {
        self.bounds.partition_point(|bound| *bound < value)
    }
}

/// Builds the table and returns it with its first step; `None` if two bounds share a step, if the bounds span more than
/// [`STEPS`] steps, or if none is positive.
fn steps(bounds: &[f64]) -> Option<(u64, Box<[LookupStep; STEPS]>)> {
    let positive = bounds.partition_point(|bound| *bound <= 0.0);
    let step = |bound: f64| bound.to_bits() >> SHIFT;
    // One more step at each end, for the values beyond the bounds.
    let first = step(*bounds.get(positive)?).saturating_sub(1);
    if step(*bounds.last()?) + 1 - first >= STEPS as u64 {
        return None;
    }
    let mut bucket = positive;
    let mut steps = Box::new(
        [LookupStep {
            bound: f64::INFINITY,
            bucket,
        }; STEPS],
    );
    for (at, entry) in (first..).zip(&mut *steps) {
        entry.bucket = bucket;
        if at == first && bounds[..positive].last() == Some(&0.0) {
            // Zero is up to this bound, and the rest of the step above it, unless a positive bound is in the same step.
            if step(bounds[positive]) == at {
                return None;
            }
            *entry = LookupStep {
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
    fn bounds_that_span_too_much_or_too_little_have_no_table() {
        for bounds in [&[1e-300, 1e300][..], &[1.0, 1.01], &[-1.0, 0.0]] {
            assert_eq!(Bounds::new(bounds).find(1.0), None);
        }
    }

    #[test]
    fn the_default_bounds_have_a_table() {
        for bounds in [&[0.0, 0.5, 0.75, 1.0, 2.5][..], &[0.0, 256.0, 1_024.0]] {
            assert_eq!(
                Bounds::new(bounds).find(0.7),
                Some(Bounds::new(bounds).search(0.7))
            );
        }
    }

    #[test]
    fn a_value_equal_to_a_bound_is_in_its_bucket() {
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
    fn zero_is_found_by_the_table() {
        for (bounds, bucket) in [(&[0.0, 256.0][..], 0), (&[256.0], 0), (&[-1.0, 256.0], 1)] {
            assert_eq!(Bounds::new(bounds).find(0.0), Some(bucket), "{bounds:?}");
        }
    }

    #[test]
    fn bounds_are_sorted_and_deduplicated() {
        assert_eq!(
            Bounds::new(&[2.0, f64::INFINITY, 1.0, f64::NAN, 2.0]).as_slice(),
            [1.0, 2.0]
        );
    }
}
