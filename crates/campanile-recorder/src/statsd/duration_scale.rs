//! Converts durations to milliseconds.

use std::sync::atomic::{AtomicU64, Ordering};

use metrics::Unit;

/// The factor that converts the values of a histogram to milliseconds. It may be learnt after registration.
#[derive(Debug)]
pub(super) struct DurationScale(AtomicU64);

impl DurationScale {
    pub(super) fn new(name: &str, unit: Option<Unit>) -> Self {
        Self(AtomicU64::new(bits(milliseconds(name, unit))))
    }

    pub(super) fn learn(&self, name: &str, unit: Option<Unit>) {
        self.0.store(bits(milliseconds(name, unit)), Ordering::Relaxed);
    }

    pub(super) fn factor(&self) -> Option<f64> {
        let factor = f64::from_bits(self.0.load(Ordering::Relaxed));
        (factor != 0.0).then_some(factor)
    }
}

/// Returns the milliseconds per unit of a histogram, by its unit, otherwise by the suffix of its name; `None` if it does
/// not record durations.
pub(super) fn milliseconds(name: &str, unit: Option<Unit>) -> Option<f64> {
    match unit {
        Some(Unit::Seconds) => Some(1e3),
        Some(Unit::Milliseconds) => Some(1.0),
        Some(Unit::Microseconds) => Some(1e-3),
        Some(Unit::Nanoseconds) => Some(1e-6),
        Some(_) => None,
        None if name.ends_with("_milliseconds") => Some(1.0),
        None if name.ends_with("_seconds") => Some(1e3),
        None => None,
    }
}

fn bits(factor: Option<f64>) -> u64 {
    factor.unwrap_or(0.0).to_bits()
}
