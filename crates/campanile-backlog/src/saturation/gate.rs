//! Readiness that follows saturation.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::SaturationLevel;

/// A readiness check with hysteresis: it fails from one saturation on, and passes again below a lower one. Cloning copies
/// a pointer.
///
/// Pass [`check`](Self::check) to your readiness probe. If all replicas are saturated, removing some makes the others
/// fuller: prefer to scale on the gauge, and use this for single replicas that fall behind.
#[derive(Clone, Debug)]
pub struct SaturationGate {
    level: SaturationLevel,
    refuse_from: f64,
    accept_below: f64,
    max_age: Duration,
    refuses: Arc<AtomicBool>,
}

/// The error of [`SaturationGate::check`]: the service is saturated.
#[derive(Clone, Debug, PartialEq)]
pub struct Saturated {
    ratio: f64,
    accept_below: f64,
}

/// The error of [`SaturationGate::with_thresholds`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InvalidThresholds {
    refuse_from: f64,
    accept_below: f64,
}

impl SaturationGate {
    /// Creates a gate that fails from 0.95 on and passes again below 0.8.
    #[must_use]
    pub fn new(level: SaturationLevel) -> Self {
        Self {
            level,
            refuse_from: 0.95,
            accept_below: 0.8,
            max_age: Duration::from_secs(10),
            refuses: Arc::default(),
        }
    }

    /// Sets the saturation from which the check fails, and the one below which it passes again.
    ///
    /// # Errors
    ///
    /// Returns an error unless 0 < `accept_below` <= `refuse_from` <= 1: otherwise the check would never pass, or never
    /// fail.
    pub fn with_thresholds(mut self, refuse_from: f64, accept_below: f64) -> Result<Self, InvalidThresholds> {
        if !(0.0 < accept_below && accept_below <= refuse_from && refuse_from <= 1.0) {
            return Err(InvalidThresholds {
                refuse_from,
                accept_below,
            });
        }
        (self.refuse_from, self.accept_below) = (refuse_from, accept_below);
        Ok(self)
    }

    /// Sets the age from which a value is ignored, 10 s by default. The check passes while the saturation is not computed.
    #[must_use]
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Returns `Ok` if the service should receive traffic.
    ///
    /// # Errors
    ///
    /// Returns [`Saturated`] if the saturation has reached the upper threshold, and has not fallen below the lower one
    /// since.
    pub fn check(&self) -> Result<(), Saturated> {
        let ratio = self.level.ratio();
        let is_current = self.level.age().is_some_and(|age| age <= self.max_age);
        let threshold = if self.refuses.load(Ordering::Relaxed) {
            self.accept_below
        } else {
            self.refuse_from
        };
        let refuses = is_current && ratio >= threshold;
        self.refuses.store(refuses, Ordering::Relaxed);
        if refuses {
            return Err(Saturated {
                ratio,
                accept_below: self.accept_below,
            });
        }
        Ok(())
    }
}

impl Saturated {
    /// Returns the saturation, from 0 to 1.
    #[must_use]
    pub const fn ratio(&self) -> f64 {
        self.ratio
    }
}

impl fmt::Display for Saturated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ratio, accept_below } = self;
        write!(f, "saturation is {ratio:.2}, ready again below {accept_below:.2}")
    }
}

impl Error for Saturated {}

impl fmt::Display for InvalidThresholds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            refuse_from,
            accept_below,
        } = self;
        write!(
            f,
            "invalid thresholds: refuse from {refuse_from}, accept below {accept_below}; expected 0 < accept <= refuse <= 1"
        )
    }
}

impl Error for InvalidThresholds {}
