//! Sums of floating-point numbers that do not depend on the order.
//!
//! The parts of a histogram's sum are added in another order when a thread ends or a process is folded into the archive.
//! With plain floating-point numbers the total could then fall by a hair, and a counter that falls has started anew for
//! whoever takes a rate of it. So parts are added as integers, wholes and fractions apart, which is exact, and never
//! falls when no part does.

/// A sum, exact to 2⁻¹⁰⁰, up to 2¹²⁶.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    whole: i128,
    /// In units of 2⁻¹⁰⁰, below one.
    fraction: u128,
}

const ONE: u128 = 1 << 100;
const LARGEST: i128 = 1 << 126;

impl Sum {
    /// Takes a number; nothing of what is not a number.
    pub(crate) fn of(value: f64) -> Self {
        // Casts of floats saturate, and make zero of what is not a number.
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

    /// Adds; what passes the largest sum stays there.
    #[must_use]
    pub(crate) fn plus(self, other: Self) -> Self {
        // Each is at most one, so this cannot overflow.
        let fraction = self.fraction + other.fraction;
        let carry = i128::from(fraction >= ONE);
        let whole = self.whole.saturating_add(other.whole).saturating_add(carry);
        Self {
            whole: whole.clamp(-LARGEST, LARGEST),
            fraction: fraction % ONE,
        }
    }

    /// The nearest floating-point number, or the one beside it.
    pub(crate) fn value(self) -> f64 {
        match (self.whole < 0, self.fraction) {
            (true, 1..) => (self.whole + 1) as f64 - (ONE - self.fraction) as f64 / ONE as f64,
            _ => self.whole as f64 + self.fraction as f64 / ONE as f64,
        }
    }

    /// As words, the lowest of each part first.
    pub(crate) fn to_words(self) -> [u64; 4] {
        let whole = self.whole as u128;
        [
            whole as u64,
            (whole >> 64) as u64,
            self.fraction as u64,
            (self.fraction >> 64) as u64,
        ]
    }

    /// From words, whatever they are.
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
    fn sums_do_not_depend_on_the_order() {
        let parts = [0.1, 1e9, 0.000_000_003, 7.7, 1e-12, 123_456.789];
        let forwards = parts
            .iter()
            .fold(Sum::default(), |sum, part| sum.plus(Sum::of(*part)));
        let backwards = parts
            .iter()
            .rev()
            .fold(Sum::default(), |sum, part| sum.plus(Sum::of(*part)));
        assert_eq!(forwards, backwards);
        assert!((forwards.value() - parts.iter().sum::<f64>()).abs() < 1e-6);
        assert_eq!(Sum::from_words(forwards.to_words()), forwards);
        assert_eq!(Sum::from_words(Sum::of(-0.5).to_words()).value(), -0.5);
    }

    #[test]
    fn a_sum_that_is_one_number_is_that_number() {
        for value in [0.0, 0.1, 1.0, 0.000_123, 1e15, 3.0e-7, -0.3, -5.0, 1e25] {
            assert_eq!(Sum::of(value).value(), value);
        }
    }

    #[test]
    fn what_has_no_sum_saturates() {
        assert_eq!(Sum::of(f64::NAN), Sum::default());
        let most = Sum::of(f64::INFINITY).plus(Sum::of(f64::INFINITY));
        assert!(most.value() > 1e37 && most.value().is_finite());
    }
}
