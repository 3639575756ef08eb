//! Sums of floats that do not depend on the order of addition.
//!
//! The parts of a histogram's sum are added in a different order after a thread or process has exited. With floats the
//! total could then decrease by a rounding error, which rate functions take for a counter reset. Fixed-point addition is
//! exact, and the total never decreases unless a part does.

/// A fixed-point sum, exact to 2⁻¹⁰⁰, up to ±2¹²⁶.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ExactSum {
    whole: i128,
    /// In units of 2⁻¹⁰⁰, less than one.
    fraction: u128,
}

const ONE: u128 = 1 << 100;
const LARGEST: i128 = 1 << 126;

impl ExactSum {
    /// Converts a float; NaN becomes zero, and values beyond the range saturate.
    pub(crate) fn from_f64(value: f64) -> Self {
        // Float casts saturate, and turn NaN into zero.
        let whole = (value.trunc() as i128).clamp(-LARGEST, LARGEST);
        let fraction = (value.fract().abs() * ONE as f64) as u128;
        match (value < 0.0, fraction) {
            (true, 1..) => Self {
                whole: whole - 1,
                fraction: ONE - fraction,
            },
            _ => Self { whole, fraction },
        }
    }

    /// Adds, saturating at the largest sum.
    #[must_use]
    pub(crate) fn plus(self, other: Self) -> Self {
        // Cannot overflow: each is less than one.
        let fraction = self.fraction + other.fraction;
        let carry = i128::from(fraction >= ONE);
        let whole = self.whole.saturating_add(other.whole).saturating_add(carry);
        Self {
            whole: whole.clamp(-LARGEST, LARGEST),
            fraction: fraction % ONE,
        }
    }

    /// Returns the nearest float, or one next to it.
    pub(crate) fn to_f64(self) -> f64 {
        match (self.whole < 0, self.fraction) {
            (true, 1..) => (self.whole + 1) as f64 - (ONE - self.fraction) as f64 / ONE as f64,
            _ => self.whole as f64 + self.fraction as f64 / ONE as f64,
        }
    }

    /// Converts to words, the low half of each part first.
    pub(crate) fn to_words(self) -> [u64; 4] {
        let whole = self.whole as u128;
        [
            whole as u64,
            (whole >> 64) as u64,
            self.fraction as u64,
            (self.fraction >> 64) as u64,
        ]
    }

    /// Converts from any words.
    pub(crate) fn from_words(words: [u64; 4]) -> Self {
        let [whole, fraction] = [[words[0], words[1]], [words[2], words[3]]]
            .map(|[low, high]| u128::from(high) << 64 | u128::from(low));
        Self {
            whole: (whole as i128).clamp(-LARGEST, LARGEST),
            fraction: fraction % ONE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_does_not_depend_on_the_order() {
        let parts = [0.1, 1e9, 0.000_000_003, 7.7, 1e-12, 123_456.789];
        let forwards = parts.iter().fold(ExactSum::default(), |sum, part| {
            sum.plus(ExactSum::from_f64(*part))
        });
        let backwards = parts.iter().rev().fold(ExactSum::default(), |sum, part| {
            sum.plus(ExactSum::from_f64(*part))
        });
        assert_eq!(forwards, backwards);
        assert!((forwards.to_f64() - parts.iter().sum::<f64>()).abs() < 1e-6);
        assert_eq!(ExactSum::from_words(forwards.to_words()), forwards);
        assert_eq!(
            ExactSum::from_words(ExactSum::from_f64(-0.5).to_words()).to_f64(),
            -0.5
        );
    }

    #[test]
    fn a_sum_of_one_number_is_that_number() {
        for value in [0.0, 0.1, 1.0, 0.000_123, 1e15, 3.0e-7, -0.3, -5.0, 1e25] {
            assert_eq!(ExactSum::from_f64(value).to_f64(), value);
        }
    }

    #[test]
    fn infinities_saturate_and_nan_is_zero() {
        assert_eq!(ExactSum::from_f64(f64::NAN), ExactSum::default());
        let most = ExactSum::from_f64(f64::INFINITY).plus(ExactSum::from_f64(f64::INFINITY));
        assert!(most.to_f64() > 1e37 && most.to_f64().is_finite());
    }
}
